"""From the weights in `facenet-pytorch` to an engine folder, without PyTorch: three graphs and `engine.json`."""

from collections.abc import Callable
from pathlib import Path

import openvino as ov

from app.vision.catalogue.checkpoints import read_weights
from app.vision.catalogue.models import Model
from app.vision.catalogue.packages import package_weights
from app.vision.engine.layers import Layers, assemble, flatten, parameter, pool, softmax, transpose
from app.vision.engine.record import EngineError, write_record


def build_faces(model: Model, folder: Path, source: dict[str, str]) -> None:
    """Write the engine. source: what it records of its origin. Raises CheckpointError, EngineError.

    Weights stay f32: a megabyte less moves boxes by more than half a pixel.
    """
    files = {path.stem: path for path in package_weights(model.package)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in NETS.items():
        if name not in files:
            raise EngineError(f"{model.package} has no {name}.")
        graph = assemble(read_weights(files[name]).state, make)
        ov.save_model(graph, str(folder / f"{name}.xml"), compress_to_fp16=False)
    write_record(folder, {"source": source})


def _proposing(layers: Layers) -> ov.Model:
    """A photo (1, 3, H, W) to offsets (1, 4, h, w) and probabilities of no face and of a face (1, 2, h, w)."""
    photo = parameter("photo", 1, 3, -1, -1)
    x = pool(_seen(layers, photo.output(0), 1), 2, 2, cut_off=True)
    x = _seen(layers, _seen(layers, x, 2), 3)
    scores = softmax(layers.convolution(x, "conv4_1"))
    return ov.Model([layers.convolution(x, "conv4_2"), scores], [photo], "pnet")


def _refining(layers: Layers) -> ov.Model:
    """Crops (N, 3, 24, 24) to offsets (N, 4) and probabilities (N, 2)."""
    crops = parameter("crops", -1, 3, 24, 24)
    x = pool(_seen(layers, crops.output(0), 1), 3, 2, cut_off=True)
    x = pool(_seen(layers, x, 2), 3, 2, cut_off=True)
    x = _dense(layers, _seen(layers, x, 3), 4)
    return ov.Model([layers.linear(x, "dense5_2"), softmax(layers.linear(x, "dense5_1"))], [crops], "rnet")


def _finishing(layers: Layers) -> ov.Model:
    """Crops (N, 3, 48, 48) to offsets (N, 4), landmarks (N, 10) and probabilities (N, 2)."""
    crops = parameter("crops", -1, 3, 48, 48)
    x = pool(_seen(layers, crops.output(0), 1), 3, 2, cut_off=True)
    x = pool(_seen(layers, x, 2), 3, 2, cut_off=True)
    x = pool(_seen(layers, x, 3), 2, 2, cut_off=True)
    x = _dense(layers, _seen(layers, x, 4), 5)
    scores = softmax(layers.linear(x, "dense6_1"))
    return ov.Model([layers.linear(x, "dense6_2"), layers.linear(x, "dense6_3"), scores], [crops], "onet")


NETS: dict[str, Callable[[Layers], ov.Model]] = {"pnet": _proposing, "rnet": _refining, "onet": _finishing}


def _seen(layers: Layers, x: ov.Output, number: int) -> ov.Output:
    """The convolution of a number, without padding, and what follows it."""
    return layers.prelu(layers.convolution(x, f"conv{number}", padding=(0, 0)), f"prelu{number}")


def _dense(layers: Layers, x: ov.Output, number: int) -> ov.Output:
    """The layer that sees a whole crop, its columns before its rows, as the weights were converted from Caffe."""
    return layers.prelu(layers.linear(flatten(transpose(x, 0, 3, 2, 1)), f"dense{number}"), f"prelu{number}")
