"""From an MMDetection config and a checkpoint to a network and its pipeline."""

import warnings
from pathlib import Path
from typing import Any

import mmcv
import mmdet
import torch
from mmdet.datasets import DATASETS, replace_ImageToTensor
from mmdet.datasets.pipelines import Compose
from mmdet.models import build_detector

from app.config.settings import Settings
from app.vision.catalogue.checkpoints import Checkpoint, CheckpointError
from app.vision.catalogue.models import CONFIGS
from app.vision.catalogue.plain_config import NotPlain, check_plain


def read_config(path: Path) -> mmcv.Config:
    """Read a config, which runs it: ours, MMDetection's own, or of a model folder if it is made of values alone.

    Raises CheckpointError for one that does more, unless TRUST_MODEL_CODE says that the operator trusts it.
    """
    ours = any(path.resolve().is_relative_to(folder) for folder in (CONFIGS.resolve(), Path(mmdet.__file__).parent))
    if not ours and not Settings.from_env().trust_model_code:
        try:
            check_plain(path)
        except NotPlain as error:
            raise CheckpointError(
                f"The config {path.name} does more than name values ({error}), so it could run any code. "
                "Set TRUST_MODEL_CODE=true if you trust whoever made it"
            ) from error
    return mmcv.Config.fromfile(str(path))


def build(cfg: mmcv.Config, checkpoint: Checkpoint, score_floor: float) -> torch.nn.Module:
    """The detector of a config with a checkpoint's weights, on the CPU, as `mmdet.apis.init_detector` makes it.

    Raises CheckpointError when the weights do not fit.
    """
    net = build_untrained(cfg, score_floor)
    try:
        missing, _ = net.load_state_dict(checkpoint.tensors(), strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"The weights do not fit the config: {telling_line(error)}.") from error
    lost = [key for key in missing if not key.endswith("num_batches_tracked")]
    if lost:
        raise CheckpointError(f"The weights do not fit the config: {len(lost)} are missing, such as {lost[0]}.")
    return net


def build_untrained(cfg: mmcv.Config, score_floor: float) -> torch.nn.Module:
    """The detector of a config with random weights."""
    cfg.model.train_cfg = None
    _without_pretrained(cfg.model)
    test_cfg = cfg.model.get("test_cfg") or cfg.get("test_cfg")
    for part in (test_cfg, test_cfg.get("rcnn") if test_cfg else None):
        if part and "score_thr" in part:
            part["score_thr"] = score_floor
    model: torch.nn.Module = build_detector(cfg.model, test_cfg=cfg.get("test_cfg"))
    return model


def pipeline(cfg: mmcv.Config) -> Compose:
    """The config's test pipeline, for photos already in memory: BGR, (H, W, 3) uint8, as `img`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # That ImageToTensor is replaced, as `inference_detector` does it.
        steps = [dict(step) for step in replace_ImageToTensor(cfg.data.test.pipeline)]
    steps[0]["type"] = "LoadImageFromWebcam"
    return Compose(steps)


def class_count(net: torch.nn.Module) -> int | None:
    """How many classes a detector's last head tells apart, where it says so."""
    head = getattr(getattr(net, "roi_head", None) or net, "bbox_head", None) or getattr(net, "mask_head", None)
    if isinstance(head, torch.nn.ModuleList):
        head = head[-1]
    return getattr(head, "num_classes", None)


def dataset_classes(cfg: mmcv.Config) -> tuple[str, ...]:
    dataset = DATASETS.get(cfg.get("dataset_type") or "CocoDataset")
    return tuple(dataset.CLASSES or ()) if dataset else ()


def telling_line(error: BaseException) -> str:
    """The line of an error's message that says what is wrong: torch's long ones have a heading first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if isinstance(error, RuntimeError) else 0].rstrip(".")


def _without_pretrained(part: Any) -> None:
    """Keep a detector and its parts from fetching weights of their own: a checkpoint holds them all."""
    if isinstance(part, dict):
        if part.get("pretrained"):
            part["pretrained"] = None if isinstance(part["pretrained"], str) else False
        init = part.get("init_cfg")
        if isinstance(init, dict) and init.get("type") == "Pretrained":
            part["init_cfg"] = None
        for value in part.values():
            _without_pretrained(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            _without_pretrained(value)
