"""From a classifier's weights to an engine folder, without PyTorch: one OpenVINO graph and `engine.json`."""

from pathlib import Path

import openvino as ov

from app.vision.analyses.labels.openvino import record
from app.vision.analyses.labels.processing import CROP, LITE0, RESNET50, class_names
from app.vision.catalogue.checkpoints import load_weights, read_weights
from app.vision.catalogue.models import Model
from app.vision.catalogue.packages import package_weights
from app.vision.engine.layers import Layers, assemble, flatten, mean, parameter, relu6
from app.vision.engine.networks import LITE_EPSILON, EfficientNetLite, resnet
from app.vision.engine.record import write_record


def build_labels(model: Model, path: Path | None, folder: Path, source: dict[str, str]) -> None:
    """Write the engine.

    path: of the weights of ResNet-50, or None for EfficientNet-Lite0's package; source: what the engine records of its
    origin. Weights stay f32: in fp16 probabilities move by more than a thousandth. Raises CheckpointError, EngineError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if path is None:
        graph = assemble(read_weights(package_weights(model.package)[0]).state, _lite0)
    else:
        graph = assemble(load_weights(path, model).state, _resnet50)
    ov.save_model(graph, str(folder / "net.xml"), compress_to_fp16=False)
    write_record(folder, record(LITE0 if path is None else RESNET50, class_names(), source))


def _lite0(layers: Layers) -> ov.Model:
    """A crop (1, 3, 224, 224) to logits (1, 1000)."""
    crop = parameter("crop", 1, 3, CROP, CROP)
    net = EfficientNetLite(layers, "efficientnet-lite0")
    x = net.features(crop.output(0), ("_conv_stem", "_bn0"), "_blocks.")[-1]
    x = relu6(layers.convolution(x, "_conv_head", "_bn1", LITE_EPSILON))
    return ov.Model([layers.linear(flatten(mean(x)), "_fc")], [crop], "net")


def _resnet50(layers: Layers) -> ov.Model:
    """The same, by torchvision's network."""
    crop = parameter("crop", 1, 3, CROP, CROP)
    x = resnet(layers, crop.output(0), "", 1e-5)[-1]
    return ov.Model([layers.linear(flatten(mean(x)), "fc")], [crop], "net")
