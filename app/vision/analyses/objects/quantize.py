"""int8 engines: NNCF post-training quantization, calibrated on photos.

The published loss for Mask R-CNN R50-FPN is 0.3 to 0.7 box AP (openvinotoolkit/nncf#20).
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import nncf
import numpy as np
import openvino as ov

from app.vision.analyses.objects.openvino import OpenVINODetector
from app.vision.analyses.objects.preprocess import prepare
from app.vision.analyses.objects.roi_align import pool_levels
from app.vision.analyses.objects.spec import EngineSpec, PoolSpec
from app.vision.engine.record import EngineError
from app.vision.engine.runtime import Runtime, core
from app.vision.results import ModelCard

REGIONS = 48


def quantize(folder: Path, photos: Iterable[np.ndarray]) -> None:
    """Write `dense-int8.xml`, `boxes-int8.xml` and `masks-int8.xml` beside the graphs of an engine folder, all or none.

    Args:
        photos: (H, W, 3) uint8 RGB, some tens, like those that will be served.

    Raises EngineError where there is no photo.
    """
    spec = EngineSpec.read(folder)
    inputs = [prepare(photo, spec.preprocessing) for photo in photos]
    if not inputs:
        raise EngineError("there is no photo to calibrate on that can be read.")
    pools = {"boxes": spec.boxes.pool} | ({"masks": spec.masks.pool} if spec.masks else {})
    examples = _regions(folder, inputs, pools) | {"dense": [image for image, _, _ in inputs]}
    with tempfile.TemporaryDirectory(dir=folder) as part:
        for name in examples:
            _quantize(folder / f"{name}.xml", Path(part) / f"{name}-int8.xml", examples[name])
        # The dense graph goes last, by which it is known that all are there.
        for file in sorted(Path(part).iterdir(), key=lambda file: (file.name.startswith("dense"), file.suffix)):
            file.replace(folder / file.name)


def _regions(
    folder: Path, inputs: Iterable[tuple[np.ndarray, tuple[int, int], np.ndarray]], pools: dict[str, PoolSpec]
) -> dict[str, list[np.ndarray]]:
    """What the heads see: pooled regions of the best proposals of each photo."""
    detector = OpenVINODetector(folder, EngineSpec.read(folder), ModelCard("objects", "", "", "", ""), Runtime("f32"))
    detector.load("cpu")
    regions: dict[str, list[np.ndarray]] = {name: [] for name in pools}
    for image, shape, _ in inputs:
        pyramid, proposals = detector.propose(image, shape)
        for name, pool in pools.items():
            levels = pyramid[: len(pool.strides)]
            regions[name].append(pool_levels(levels, proposals[:REGIONS], pool, detector.threads, 4))
    return regions


def _quantize(graph: Path, made: Path, examples: list[np.ndarray]) -> None:
    model = core().read_model(str(graph))
    data = nncf.Dataset(examples)
    preset = nncf.QuantizationPreset.MIXED
    quantized = nncf.quantize(model, data, preset=preset, subset_size=len(examples))
    ov.save_model(quantized, str(made))
