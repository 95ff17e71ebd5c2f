"""From a classifier on PyTorch to an engine folder: one OpenVINO graph and `engine.json`."""

from pathlib import Path

import openvino as ov
import torch

from app.vision.analyses.labels.openvino import record
from app.vision.analyses.labels.photo import CROP, LITE0, RESNET50
from app.vision.analyses.labels.pytorch import NAMES, build
from app.vision.catalogue.models import Model
from app.vision.engine.record import write_record


def export_labels(model: Model, path: Path | None, folder: Path, source: dict[str, str]) -> None:
    """Write the engine.

    path: of the weights of ResNet-50, or None for EfficientNet-Lite0's package; source: what the engine records of its
    origin. Weights stay f32: in fp16 probabilities move by more than a thousandth. Raises CheckpointError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = [1, 3, CROP, CROP]
    with torch.no_grad():
        net = ov.convert_model(build(model, path), example_input=torch.zeros(shape), input=[ov.PartialShape(shape)])
    ov.save_model(net, str(folder / "net.xml"), compress_to_fp16=False)
    write_record(folder, record(LITE0 if path is None else RESNET50, NAMES, source))
