"""Which detectors of MMDetection's zoo get an engine; each other is refused with a reason, never served wrongly."""

from pathlib import Path
from typing import Any

import mmcv
import pytest
from mmdet.models import build_detector

from app.vision import zoo
from app.vision.coco import CLASSES
from app.vision.engine.export import export_detector
from app.vision.engine.spec import EngineError


def light(name: str) -> tuple[Any, Any]:
    """A small variant of a config of the zoo: the detector with random weights, and the config."""
    folder = zoo.zoo_folder()
    assert folder is not None
    config = mmcv.Config.fromfile(str(folder / "configs" / f"{name}.py"))
    config.model.train_cfg = config.model.backbone.init_cfg = None
    if config.model.get("neck") and not config.model.backbone.get("dcn"):
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


@pytest.mark.parametrize(
    "name", ["faster_rcnn/faster_rcnn_r50_fpn_1x_coco", "libra_rcnn/libra_faster_rcnn_r50_fpn_1x_coco"]
)
def test_detectors_with_a_pyramid_get_an_engine(tmp_path: Path, name: str) -> None:
    detector, config = light(name)
    assert export_detector(detector, config, CLASSES, tmp_path, {}).read(tmp_path).classes == CLASSES
