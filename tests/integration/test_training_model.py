"""Detectors are made ready for training: weights carried over, backbones computed faster, the rest refused."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import pytest
import torch
from mmdet.core import build_assigner
from mmdet.models import build_backbone, build_detector
from torch import nn

from app.config.settings import ROOT
from app.training.config import normalisation, read_config, short_sides, training_config
from app.training.errors import TrainingError
from app.training.model import build
from app.training.precision import use_bf16, use_channels_last
from app.training.publish import publish, serving_config
from app.vision.catalogue.models import load_catalogue
from app.vision.catalogue.zoo import load_zoo
from app.vision.engine.record import read_record
from tests.torchless import without

FULL = "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco.py"
STARTER = "mask_rcnn_efficientnet_lite2_fpn_coco"


def small_resnet(**more: Any) -> dict[str, Any]:
    own = {"num_stages": 2, "strides": (1, 2), "dilations": (1, 1), "out_indices": (0, 1), "stem_channels": 8}
    return {"type": "ResNet", "depth": 50, "base_channels": 8, **own, **more}


def deformable(kind: str) -> dict[str, Any]:
    return small_resnet(dcn={"type": kind, "deform_groups": 1}, stage_with_dcn=(False, True))


BACKBONES = {
    "starter": mmcv.Config.fromfile(str(ROOT / "configs" / f"{STARTER}.py")).model.backbone,
    "dconv": deformable("DCN"),
    "mdconv": deformable("DCNv2"),
    "gn_ws": small_resnet(conv_cfg={"type": "ConvWS"}, norm_cfg={"type": "GN", "num_groups": 4}),
}


@pytest.mark.parametrize("config", BACKBONES.values(), ids=BACKBONES.keys())
def test_channels_last_gives_the_same_contiguous_features(config: dict[str, Any]) -> None:
    """And in bfloat16 features of the same shape, also where a layer of mmcv's knows neither format."""
    model = nn.Module()
    model.backbone = build_backbone(config)
    model.eval()
    for name, parameter in model.named_parameters():
        if "conv_offset" in name:  # Zero at first, so that nothing is displaced.
            nn.init.normal_(parameter, std=0.05)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        before = model.backbone(image)
        use_channels_last(model)
        after = model.backbone(image)
    assert all(map(torch.Tensor.is_contiguous, after))
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other)
    use_bf16(model, "cpu")
    with torch.no_grad():
        halved = model.backbone(image)
    assert [(f.shape, f.dtype) for f in halved] == [(f.shape, f.dtype) for f in before]


def starter_config(classes: Sequence[str]) -> mmcv.Config:
    return training_config(mmcv.Config.fromfile(str(ROOT / "configs" / f"{STARTER}.py")), classes)


def retina_config(classes: Sequence[str]) -> mmcv.Config:
    return training_config(mmcv.Config.fromfile(str(load_zoo()["retinanet_r18_fpn_1x_coco"].config)), classes)


CLASSES = [(["apple"], ["pear"]), (["cat", "dog"], ["dog", "cat"]), (["cat"], ["cat", "dog"])]


@pytest.mark.parametrize(("base", "classes"), CLASSES)
def test_other_names_or_another_order_of_classes_leave_the_network_unchanged(
    base: list[str], classes: list[str]
) -> None:
    torch.manual_seed(0)
    state = build_detector(starter_config(base).model).state_dict()
    model, fresh = build(starter_config(classes), state, base, classes)
    after = model.state_dict()
    assert not fresh
    changed = {key for key in state if not torch.equal(state[key], after[key])}
    assert changed == {"roi_head.bbox_head.fc_cls.weight", "roi_head.bbox_head.fc_cls.bias"}
    rows = after["roi_head.bbox_head.fc_cls.weight"]
    before = state["roi_head.bbox_head.fc_cls.weight"]
    assert torch.equal(rows[-1], before[-1])
    for index, name in enumerate(classes):
        if name in base:
            assert torch.equal(rows[index], before[base.index(name)])


@pytest.mark.parametrize(("base", "classes"), CLASSES)
def test_every_anchor_keeps_the_classes_that_the_base_knows(base: list[str], classes: list[str]) -> None:
    torch.manual_seed(0)
    state = build_detector(retina_config(base).model).state_dict()
    model, fresh = build(retina_config(classes), state, base, classes)
    assert not fresh
    key = "bbox_head.retina_cls.weight"
    before, after = (tensor.unflatten(0, (9, -1)) for tensor in (state[key], model.state_dict()[key]))
    for index, name in enumerate(classes):
        if name in base:
            assert torch.equal(after[:, index], before[:, base.index(name)])
        else:  # As rare as MMDetection lets a class begin.
            assert torch.all(model.state_dict()["bbox_head.retina_cls.bias"][index :: len(classes)] < -4)


def test_a_region_in_a_crowd_is_neither_object_nor_background() -> None:
    box = torch.tensor([[10.0, 10, 20, 20]])
    for part in ("rpn", "rcnn"):
        assigner = build_assigner(starter_config(["cat"]).model.train_cfg[part].assigner)
        crowd, elsewhere = torch.tensor([[0.0, 0, 30, 30]]), torch.tensor([[50.0, 50, 60, 60]])
        assigned = assigner.assign(box, elsewhere, crowd, torch.zeros(1, dtype=torch.long))
        assert assigned.gt_inds.tolist() == [-1]


def test_a_trained_model_is_a_base_with_the_same_settings() -> None:
    once = serving_config(retina_config(["cat"]))
    again = training_config(once, ["cat"])
    assert again.model.train_cfg == retina_config(["cat"]).model.train_cfg
    assert build_detector(again.model)


def test_a_config_written_before_the_backbones_moved_still_builds(tmp_path: Path) -> None:
    path = tmp_path / "detector.py"
    path.write_text(
        'custom_imports = dict(imports=["app.vision.backbones.efficientnet_lite"], allow_failed_imports=False)\n'
        'model = dict(backbone=dict(type="EfficientNetLite0"))\n'
    )
    backbone = build_backbone(mmcv.Config.fromfile(str(path)).model.backbone)
    assert [features.shape[1] for features in backbone(torch.zeros(1, 3, 64, 64))] == [24, 40, 112, 320]


def test_the_title_of_a_model_trained_twice_says_fine_tuned_once(tmp_path: Path) -> None:
    config = starter_config(["cat"])
    state, base = build_detector(config.model).state_dict(), load_catalogue()["starter"]
    for _ in range(2):
        base = publish(tmp_path, "detector", state, config, ["cat"], base)
    assert base.title == "Starter Mask R-CNN, fine-tuned"


def test_the_engine_of_a_trained_model_is_built_where_pytorch_is_not_installed(tmp_path: Path) -> None:
    config = starter_config(["cat"])
    publish(
        tmp_path, "detector", build_detector(config.model).state_dict(), config, ["cat"], load_catalogue()["starter"]
    )
    (tmp_path / "sitecustomize.py").write_text(without("torch", "torchvision", "mmcv", "mmcv_full", "mmdet"))
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "app.vision.engine", f"{tmp_path}/"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path / "engine")["classes"] == ["cat"]


def test_a_trained_detector_that_cannot_be_exported_is_published_without_a_blueprint(tmp_path: Path) -> None:
    config = retina_config(["cat"])
    (tmp_path / "detector.json").write_text("of a training before")
    publish(tmp_path, "detector", {"weight": torch.ones(1)}, config, ["cat"], load_catalogue()["starter"])
    assert not (tmp_path / "detector.json").exists()


def test_photos_are_trained_at_the_size_of_the_test_pipeline() -> None:
    configs = [ROOT / "configs" / name for name in (f"{STARTER}.py", FULL)]
    starter, full = (read_config(path) for path in configs)
    side = min(starter.img_scale)
    assert short_sides(starter) == (side * 2 // 3, side)
    assert short_sides(full) == (533, 800)


def test_layers_that_do_not_match_another_config_start_at_random_and_are_named() -> None:
    state = build_detector(starter_config(["cat"]).model).state_dict()
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    config = starter_config(["cat"])
    config.model.rpn_head.anchor_generator.ratios = [1.0]
    model, fresh = build(config, state, ["cat"], ["cat"])
    assert fresh == ["rpn_head.rpn_cls", "rpn_head.rpn_reg"]
    after = model.state_dict()
    same = {key for key in state if after[key].shape == state[key].shape and torch.equal(after[key], state[key])}
    assert {key.rpartition(".")[0] for key in state.keys() - same} == set(fresh)


def test_weights_of_another_backbone_are_refused() -> None:
    config = starter_config(["cat"])
    state = build_detector(config.model).state_dict()
    del state["backbone.blocks.15._project_conv.weight"]
    with pytest.raises(TrainingError, match="The base has another backbone"):
        build(config, state, ["cat"], ["cat"])


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ({"type": "CascadeRCNN", "roi_head": {"type": "CascadeRoIHead"}}, "CascadeRoIHead"),
        ({"type": "FCOS", "bbox_head": {"type": "FCOSHead"}}, "FCOSHead"),
        ({"type": "SOLO", "mask_head": {"type": "SOLOHead"}}, "SOLO"),
    ],
)
def test_an_unsupported_kind_of_detector_is_refused_in_a_sentence(model: dict[str, Any], kind: str) -> None:
    with pytest.raises(TrainingError, match=f"Detectors with a {kind} cannot be fine-tuned"):
        training_config(mmcv.Config({"model": model}), ["cat"])


def test_an_unknown_module_is_named() -> None:
    config = starter_config(["cat"])
    config.model.neck.type = "FPNX"
    with pytest.raises(TrainingError, match=r"The config cannot be built: .*FPNX"):
        build(config, {}, ["cat"], ["cat"])


def test_a_pipeline_without_normalize_is_refused_in_a_sentence() -> None:
    config = mmcv.Config({"data": {"test": {"pipeline": [{"type": "LoadImageFromFile"}]}}})
    with pytest.raises(TrainingError, match="no Normalize step"):
        normalisation(config)
