"""Where the engine's time goes: seconds a photo by part, in each precision, with a hundred objects in every photo; and
what the processor could do at best."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.config.settings import Settings
from app.intake import decode
from app.vision.analyses.engines import engine_folder
from app.vision.analyses.objects.openvino import OpenVINODetector, make
from app.vision.analyses.objects.preprocess import prepare
from app.vision.analyses.objects.roi_align import pool_levels
from app.vision.analyses.objects.spec import PoolSpec
from bench.arithmetic import operations, pace
from bench.engines import PHOTOS, model_in, prepare_r50


def measure() -> dict[str, dict[str, float]]:
    """By precision and part. The parts add up to a photo, but for what lies between them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare_r50(folder)
        report = {}
        for precision in ("f32", "bf16", "int8"):
            detector = make(model_in(folder), engine_folder(model_in(folder), folder), Settings(precision=precision))
            detector.load("cpu")
            report[precision] = _profile(detector, pace(precision))
            print(f"  {precision}: {report[precision]}", flush=True)
    return report


def _profile(detector: OpenVINODetector, operations_a_second: float) -> dict[str, float]:
    rows = [_photo(detector, path, operations_a_second) for path in (PHOTOS[0], *PHOTOS)][1:]
    return {part: round(statistics.median(row[part] for row in rows), 4) for part in rows[0]}


def _photo(detector: OpenVINODetector, path: Path, operations_a_second: float) -> dict[str, float]:
    rgb = decode(path.read_bytes())
    seconds: dict[str, float] = {}

    def timed(part: str, run: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        result = run(*arguments)
        seconds[part] = time.perf_counter() - began
        return result

    spec = detector.spec
    assert spec.masks is not None
    image, shape, scale = timed("resizing, normalising", prepare, rgb, spec.preprocessing)
    pyramid, proposals = timed("backbone, pyramid, proposals", detector.propose, image, shape)
    levels = pyramid[: len(spec.boxes.pool.strides)]
    threads, parts = detector.threads, 4 * detector.runtime.threads
    timed("pooling 1,000 regions", pool_levels, levels, proposals, spec.boxes.pool, threads, parts)
    found, _, labels = timed("all", detector._classify, pyramid, proposals, shape, scale)
    seconds["box head, suppression"] = seconds.pop("all") - seconds["pooling 1,000 regions"]
    squares = timed("mask head of 100 objects", detector._segment, pyramid, found * scale, labels)
    timed("pasting and encoding masks", detector._paste, squares, found, rgb.shape[:2])
    seconds["all of it"] = sum(seconds.values())
    shapes = {"dense": image.shape, "boxes": _pooled(proposals, levels, spec.boxes.pool)}
    shapes["masks"] = _pooled(found, levels, spec.masks.pool)
    total = sum(operations(detector.folder / f"{name}.xml", shape) for name, shape in shapes.items())
    seconds["its arithmetic, at the pace of one large matrix product"] = total / operations_a_second
    return seconds


def _pooled(regions: np.ndarray, pyramid: list[np.ndarray], pool: PoolSpec) -> tuple[int, ...]:
    """The shape of pooled regions."""
    return (len(regions), pool.size, pool.size, pyramid[0].shape[-1])
