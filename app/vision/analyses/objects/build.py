"""From a checkpoint's arrays to the graphs of a detector, without PyTorch: Mask R-CNN and Faster R-CNN with a pyramid.

A backbone of `engine.networks`, a feature pyramid, a proposal network, and heads of shared layers, by MMDetection's
names. The graphs have the inputs and outputs of those that `export` converts, and their weights to the last bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset14 as ops

from app.vision.analyses.objects.blueprint import Blueprint, Network
from app.vision.analyses.objects.spec import BoxSpec, EngineSpec, MaskSpec
from app.vision.catalogue.checkpoints import load_weights
from app.vision.catalogue.models import Model
from app.vision.engine.layers import (
    Layers,
    add,
    assemble,
    constant,
    flatten,
    parameter,
    pool,
    relu,
    sigmoid,
    softmax,
    transpose,
)
from app.vision.engine.networks import LITE, EfficientNetLite, resnet
from app.vision.engine.record import EngineError

# What the names of each graph's weights begin with; a checkpoint may hold others besides.
DENSE, BOXES, MASKS = ("backbone.", "neck.", "rpn_head."), ("roi_head.bbox_head.",), ("roi_head.mask_head.",)
TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def build_model(model: Model, checkpoints: Path, folder: Path, source: dict[str, str]) -> bool:
    """Write the engine of a catalogue entry by its blueprint. Returns False where it has none.

    source: what the engine records of its origin. Raises EngineError, CheckpointError.
    """
    path, config = model.path(checkpoints), model.config
    assert path is not None
    assert config is not None
    blueprint = Blueprint.read(config)
    if blueprint is None:
        return False
    loaded = load_weights(path, model)
    spec = replace(blueprint.spec, classes=model.classes or loaded.classes, source=source)
    build_detector(loaded.state, blueprint.network, spec, folder)
    return True


def build_detector(state: Mapping[str, np.ndarray], network: Network, spec: EngineSpec, folder: Path) -> None:
    """Write the engine of a detector. state: its weights. Raises EngineError where they are of another network."""
    rows = len(state.get("roi_head.bbox_head.fc_cls.weight", ()))
    if rows and spec.classes and rows != len(spec.classes) + 1:
        raise EngineError(f"it tells {rows - 1} classes apart, but {len(spec.classes)} are named.")
    folder.mkdir(parents=True, exist_ok=True)
    # One after the other, so that never two are in memory.
    for name, make in graphs(state, network, spec).items():
        save(make(), folder / f"{name}.xml")
    spec.write(folder)


def save(graph: ov.Model, path: Path) -> None:
    """Once with weights in fp16 (half the file, for bf16 and int8), once exactly as they are (for f32).

    Batch norms are folded into the weights before, so that rounding them moves scores by up to a hundredth even where
    the checkpoint itself is fp16.
    """
    ov.save_model(graph, str(path), compress_to_fp16=True)
    ov.save_model(graph, str(path.with_name(f"{path.stem}-f32.xml")), compress_to_fp16=False)


def graphs(state: Mapping[str, np.ndarray], network: Network, spec: EngineSpec) -> dict[str, Callable[[], ov.Model]]:
    """What makes each graph, when it is called: dense, boxes and, of a detector with masks, masks.

    Making one raises EngineError where the weights are of another network.
    """

    def regions(head: BoxSpec | MaskSpec) -> ov.Node:
        channels = Layers(state).shape("neck.fpn_convs.0.conv.weight")[0]
        return parameter("regions", -1, head.pool.size, head.pool.size, channels)

    made = {
        "dense": lambda: assemble(_within(state, DENSE), lambda layers: _dense(layers, network, spec)),
        "boxes": lambda: assemble(_within(state, BOXES), lambda layers: _boxes(layers, network, regions(spec.boxes))),
    }
    if masks := spec.masks:
        made["masks"] = lambda: assemble(_within(state, MASKS), lambda layers: _masks(layers, network, regions(masks)))
    return made


def _within(state: Mapping[str, np.ndarray], prefixes: tuple[str, ...]) -> dict[str, np.ndarray]:
    return {name: values for name, values in state.items() if name.startswith(prefixes)}


def _dense(layers: Layers, network: Network, spec: EngineSpec) -> ov.Model:
    """(1, 3, H, W) to the levels that heads pool from, objectness from 0 to 1 and deltas of every level."""
    image = parameter("image", 1, 3, -1, -1)
    pyramid = _pyramid(
        layers, _backbone(layers, image.output(0), network), network.epsilons["neck"], len(spec.proposals.strides)
    )
    shared = [_proposed(layers, level) for level in pyramid]
    scores = [sigmoid(layers.convolution(level, "rpn_head.rpn_cls")) for level in shared]
    deltas = [layers.convolution(level, "rpn_head.rpn_reg") for level in shared]
    outputs = [*pyramid[: len(spec.boxes.pool.strides)], *scores, *deltas]
    return ov.Model([transpose(output, *TO_CHANNELS_LAST) for output in outputs], [image], "dense")


def _backbone(layers: Layers, x: ov.Output, network: Network) -> list[ov.Output]:
    epsilon = network.epsilons["backbone"]
    if network.backbone in LITE:
        lite = EfficientNetLite(layers, network.backbone, epsilon)
        stem = "backbone.stem.0", "backbone.stem.1"
        features = lite.features(x, stem, "backbone.blocks.", max(network.outputs) + 1)
    else:
        features = resnet(layers, x, "backbone.", epsilon, caffe=network.backbone == "resnet-caffe")
    return [features[index] for index in network.outputs]


def _pyramid(layers: Layers, features: list[ov.Output], epsilon: float, count: int) -> list[ov.Output]:
    """A feature pyramid (Lin et al., arXiv 1612.03144) of so many levels; those beyond the features are thinned out."""
    levels = [_convolution(layers, x, f"neck.lateral_convs.{at}", epsilon) for at, x in enumerate(features)]
    for at in range(len(levels) - 1, 0, -1):
        levels[at - 1] = add(levels[at - 1], _enlarged(levels[at], levels[at - 1]))
    levels = [_convolution(layers, x, f"neck.fpn_convs.{at}", epsilon) for at, x in enumerate(levels)]
    while len(levels) < count:
        levels.append(pool(levels[-1], 1, 2))
    return levels


def _enlarged(x: ov.Output, like: ov.Output) -> ov.Output:
    """The map, each value repeated, in the height and width of another."""
    axes = constant(np.array([2, 3], np.int64))
    size = ops.gather(ops.shape_of(like), axes, constant(np.array(0, np.int64)))
    how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return ops.interpolate(x, size, "nearest", "sizes", axes=axes, **how).output(0)


def _proposed(layers: Layers, level: ov.Output) -> ov.Output:
    """What the proposal network sees in a level: one convolution, or several by number."""
    for at in range(layers.count("rpn_head.rpn_conv.{}.conv.weight")):
        level = relu(layers.convolution(level, f"rpn_head.rpn_conv.{at}.conv"))
    return relu(layers.convolution(level, "rpn_head.rpn_conv")) if "rpn_head.rpn_conv.weight" in layers else level


def _convolution(layers: Layers, x: ov.Output, name: str, epsilon: float) -> ov.Output:
    """MMCV's `ConvModule` without its activation: a convolution and, where the weights have one, a batch norm."""
    norm = f"{name}.bn" if f"{name}.bn.weight" in layers else ""
    return layers.convolution(x, f"{name}.conv", norm, epsilon)


def _convolutions(layers: Layers, x: ov.Output, name: str, epsilon: float) -> ov.Output:
    """All that the weights have of a head's convolutions, by number."""
    for at in range(layers.count(f"{name}.{{}}.conv.weight")):
        x = relu(_convolution(layers, x, f"{name}.{at}", epsilon))
    return x


def _boxes(layers: Layers, network: Network, regions: ov.Node) -> ov.Model:
    """(N, s, s, C) to class probabilities (N, classes + 1) and deltas (N, 4 * K)."""
    head = "roi_head.bbox_head."
    x = _convolutions(layers, transpose(regions, *TO_CHANNELS_FIRST), f"{head}shared_convs", network.epsilons["boxes"])
    x = flatten(x)
    for at in range(layers.count(f"{head}shared_fcs.{{}}.weight")):
        x = relu(layers.linear(x, f"{head}shared_fcs.{at}"))
    scores = softmax(layers.linear(x, f"{head}fc_cls"))
    return ov.Model([scores, layers.linear(x, f"{head}fc_reg")], [regions], "boxes")


def _masks(layers: Layers, network: Network, regions: ov.Node) -> ov.Model:
    """(N, s, s, C) to mask probabilities (N, classes or 1, S, S)."""
    head = "roi_head.mask_head."
    x = _convolutions(layers, transpose(regions, *TO_CHANNELS_FIRST), f"{head}convs", network.epsilons["masks"])
    x = layers.convolution(relu(layers.upsampling(x, f"{head}upsample")), f"{head}conv_logits")
    return ov.Model([sigmoid(x)], [regions], "masks")
