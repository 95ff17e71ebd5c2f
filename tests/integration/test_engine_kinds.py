"""Which detectors of MMDetection's zoo get an engine; each other is refused with a reason, never served wrongly."""

from pathlib import Path
from typing import Any

import mmcv
import pytest
from mmdet.models import build_detector

from app.vision.analyses.objects.describe import describe
from app.vision.analyses.objects.export import export_detector
from app.vision.analyses.objects.pipeline import preprocessing
from app.vision.catalogue import zoo
from app.vision.catalogue.models import CONFIGS
from app.vision.coco import CLASSES
from app.vision.engine.record import EngineError


def light(name: str) -> tuple[Any, Any]:
    """A small variant of a config of the zoo: the detector with random weights, and the config."""
    folder = zoo.zoo_folder()
    assert folder is not None
    config = mmcv.Config.fromfile(str(folder / "configs" / f"{name}.py"))
    config.model.train_cfg = config.model.backbone.init_cfg = None
    if config.model.backbone.get("dcn"):  # Which needs at least 50 layers.
        config.model.backbone.update(base_channels=16, stem_channels=16)
        config.model.neck.in_channels = [64, 128, 256, 512]
    elif config.model.get("neck"):
        config.model.backbone.depth = 18
        (config.model.neck[0] if "libra" in name else config.model.neck).in_channels = [64, 128, 256, 512]
    return build_detector(config.model).eval(), config


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("dcn/faster_rcnn_r50_fpn_dconv_c3-c5_1x_coco", "does not repeat"),
        ("seesaw_loss/mask_rcnn_r50_fpn_random_seesaw_loss_mstrain_2x_lvis_v1", "SeesawLoss"),
        ("faster_rcnn/faster_rcnn_r50_caffe_c4_1x_coco", "no feature pyramid"),
        ("faster_rcnn/faster_rcnn_r50_caffe_dc5_1x_coco", "no feature pyramid"),
        ("groie/faster_rcnn_r50_fpn_groie_1x_coco", "GenericRoIExtractor"),
        ("cascade_rpn/crpn_faster_rcnn_r50_caffe_fpn_1x_coco", "CascadeRPNHead"),
        ("carafe/faster_rcnn_r50_fpn_carafe_1x_coco", "cannot be converted"),
        ("retinanet/retinanet_r50_fpn_1x_coco", "not a two-stage detector"),
    ],
)
def test_what_an_engine_would_answer_wrongly_is_refused_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    detector, config = light(name)
    with pytest.raises(EngineError, match=reason):
        export_detector(detector, config, CLASSES, tmp_path, {})


def test_the_zoo_looks_at_photos_in_a_way_that_the_engine_knows() -> None:
    for name, model in zoo.load_zoo().items():
        config = mmcv.Config.fromfile(str(model.config))
        if "rpn_head" in config.model and "roi_head" in config.model:
            assert preprocessing(config).scale == config.data.test.pipeline[1].img_scale, name


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({"flip": True}, "mirrored"),
        ({"img_scale": [(640, 384), (960, 576)]}, "several sizes"),
        ({"transforms.0.keep_ratio": False}, "stretched"),
        ({"transforms.0.interpolation": "nearest"}, "Resize with interpolation"),
        ({"transforms.1.type": "CLAHE"}, "Resize, CLAHE, Normalize"),
        ({"transforms.3.pad_to_square": True}, "Pad with pad_to_square"),
    ],
)
def test_a_photo_that_would_be_prepared_otherwise_is_refused_with_the_reason(
    edits: dict[str, Any], reason: str
) -> None:
    config = starter_config({f"data.test.pipeline.1.{name}": value for name, value in edits.items()})
    with pytest.raises(EngineError, match=reason):
        preprocessing(config)


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({"rcnn.nms.class_agnostic": True}, "Suppression with class_agnostic"),
        ({"rpn.nms.score_threshold": 0.1}, "Suppression with score_threshold"),
        ({"rcnn.nms.type": "soft_nms"}, "Suppression by soft_nms"),
        ({"rcnn.max_per_img": -1}, "without a limit"),
        ({"rpn.max_per_img": -1}, "without a limit"),
    ],
)
def test_boxes_that_would_be_chosen_otherwise_are_refused_with_the_reason(edits: dict[str, Any], reason: str) -> None:
    config = starter_config({f"model.test_cfg.{name}": value for name, value in edits.items()})
    with pytest.raises(EngineError, match=reason):
        describe(build_detector(config.model).eval(), config, CLASSES, {})


def test_a_list_of_one_size_is_that_size() -> None:
    config = starter_config({"data.test.pipeline.1.img_scale": [(746, 448)]})
    assert preprocessing(config) == preprocessing(starter_config({}))


def starter_config(edits: dict[str, Any]) -> Any:
    """The starter's config with these values, by the path of each."""
    config = mmcv.Config.fromfile(str(CONFIGS / "mask_rcnn_efficientnet_lite2_fpn_coco.py"))
    config.merge_from_dict(edits)
    return config


@pytest.mark.parametrize(
    "name", ["faster_rcnn/faster_rcnn_r50_fpn_1x_coco", "libra_rcnn/libra_faster_rcnn_r50_fpn_1x_coco"]
)
def test_detectors_with_a_pyramid_get_an_engine(tmp_path: Path, name: str) -> None:
    detector, config = light(name)
    assert export_detector(detector, config, CLASSES, tmp_path, {}).read(tmp_path).classes == CLASSES
