"""MMDetection configs, adapted for training."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmcv import Config, ConfigDict

from app.training.dataset import Normalisation
from app.training.errors import TrainingError
from app.training.partial_masks import PartialMaskRoIHead
from app.vision.analyses.objects.mmdet_build import telling_line

ROI_HEADS = ("StandardRoIHead", PartialMaskRoIHead.__name__)
# The range of the short side in pixels for configs whose test pipeline names no size.
SHORT = (256, 384)
# MMDetection's training settings of Faster and Mask R-CNN (configs/_base_/models/mask_rcnn_r50_fpn.py), with half the
# regions per photo, for configs that have none.
TRAIN_CFG = ConfigDict(
    rpn={
        "assigner": {
            "type": "MaxIoUAssigner",
            "pos_iou_thr": 0.7,
            "neg_iou_thr": 0.3,
            "min_pos_iou": 0.3,
            "match_low_quality": True,
        },
        "sampler": {"type": "RandomSampler", "num": 256, "pos_fraction": 0.5, "add_gt_as_proposals": False},
        "allowed_border": -1,
        "pos_weight": -1,
        "debug": False,
    },
    rpn_proposal={"nms_pre": 500, "max_per_img": 300, "nms": {"type": "nms", "iou_threshold": 0.7}, "min_bbox_size": 0},
    rcnn={
        "assigner": {
            "type": "MaxIoUAssigner",
            "pos_iou_thr": 0.5,
            "neg_iou_thr": 0.5,
            "min_pos_iou": 0.5,
            "match_low_quality": True,
        },
        "sampler": {"type": "RandomSampler", "num": 192, "pos_fraction": 0.25, "add_gt_as_proposals": True},
        "mask_size": 28,
        "pos_weight": -1,
        "debug": False,
    },
)


def read_config(path: Path) -> Config:
    """Read a detector's config. Raises TrainingError if the file is not one."""
    try:
        config = Config.fromfile(str(path))
    except Exception as error:  # A config is a program, which can raise anything.
        raise TrainingError(f"{path} cannot be read as a config: {telling_line(error)}.") from error
    model, test = config.get("model"), config.get("data", {}).get("test")
    if not model or "backbone" not in model or not test or "pipeline" not in test:
        raise TrainingError(f"{path} is not the config of a detector: it needs `model` and `data.test.pipeline`.")
    return config


def training_config(cfg: Config, classes: Sequence[str]) -> Config:
    """A copy of a detector's config that trains on these classes, with masks where the data has them.

    Raises TrainingError for kinds of detectors that cannot be trained here.
    """
    cfg = copy.deepcopy(cfg)
    model = cfg.model
    _check_kind(cfg)
    model.pop("pretrained", None)
    if model.backbone.get("init_cfg"):
        model.backbone.init_cfg = None
    roi_head = model.get("roi_head")
    if roi_head and not model.get("train_cfg") and not cfg.get("train_cfg"):
        model.train_cfg = copy.deepcopy(TRAIN_CFG)
    for assigner in _assigners([model.get("train_cfg"), cfg.get("train_cfg")]):
        # A region half inside a crowd is neither an object nor background; by default MMDetection trains it as one.
        assigner.ignore_iof_thr = 0.5
    if roi_head and roi_head.get("mask_head"):
        roi_head.type = PartialMaskRoIHead.__name__
    for head in (roi_head.bbox_head, roi_head.get("mask_head")) if roi_head else (model.bbox_head,):
        if head:
            head.num_classes = len(classes)
    return cfg


def normalisation(cfg: Config) -> Normalisation:
    """The Normalize step of a config's test pipeline. Raises TrainingError if there is none."""
    for step in _steps(cfg.data.test.pipeline):
        if step["type"] == "Normalize":
            return Normalisation(tuple(step["mean"]), tuple(step["std"]), bool(step.get("to_rgb", True)))
    raise TrainingError("The config's test pipeline has no Normalize step, so its detector cannot be fine-tuned here.")


def short_sides(cfg: Config) -> tuple[int, int]:
    """The range of the short side in pixels: from two thirds of the size in the test pipeline up to that size."""
    for step in _steps(cfg.data.test.pipeline):
        scale = step.get("img_scale")
        if scale:
            short = min(scale if isinstance(scale[0], int) else scale[0])
            return short * 2 // 3, short
    return SHORT


def _check_kind(cfg: Config) -> None:
    roi_head, one_stage = cfg.model.get("roi_head"), cfg.model.get("bbox_head")
    kind = (roi_head or (one_stage if isinstance(one_stage, dict) else None) or cfg.model).get("type")
    if kind not in (*ROI_HEADS, "RetinaHead"):
        raise TrainingError(f"Detectors with a {kind} cannot be fine-tuned; Faster and Mask R-CNN and RetinaNet can.")
    if not roi_head and not cfg.model.get("train_cfg") and not cfg.get("train_cfg"):
        raise TrainingError(f"The config of a detector with a {kind} must have a train_cfg.")


def _assigners(part: Any) -> Iterator[ConfigDict]:
    values = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if isinstance(part, dict) and part.get("type") == "MaxIoUAssigner":
        yield part
    for value in values:
        yield from _assigners(value)


def _steps(pipeline: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in pipeline:
        yield step
        yield from _steps(step.get("transforms", ()))
