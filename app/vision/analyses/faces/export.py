"""From MTCNN, as `facenet-pytorch` brings it, to an engine folder: three OpenVINO graphs and `engine.json`."""

from pathlib import Path

import openvino as ov
import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import nn

from app.vision.engine.record import write_record

# Each network with its input's shape: the first takes a photo of any size, the others any number of crops.
NETS: dict[str, tuple[type[nn.Module], list[int]]] = {
    "pnet": (PNet, [1, 3, -1, -1]),
    "rnet": (RNet, [-1, 3, 24, 24]),
    "onet": (ONet, [-1, 3, 48, 48]),
}


def export_faces(folder: Path, source: dict[str, str]) -> None:
    """Write the engine. source: what it records of its origin.

    Weights stay f32: a megabyte less moves boxes by more than half a pixel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, (network, shape) in NETS.items():
        example = torch.zeros([side if side > 0 else 2 if at == 0 else 64 for at, side in enumerate(shape)])
        with torch.no_grad():
            model = ov.convert_model(network().eval(), example_input=example, input=[ov.PartialShape(shape)])
        ov.save_model(model, str(folder / f"{name}.xml"), compress_to_fp16=False)
    write_record(folder, {"source": source})
