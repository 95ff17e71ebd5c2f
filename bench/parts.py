"""Where the engine's time goes: seconds a photo by part, in each precision, with a hundred objects in every photo."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.intake import decode
from app.settings import Settings
from app.vision.engine.detector import OpenVINODetector, make
from app.vision.engine.folder import engine_folder
from app.vision.engine.preprocess import prepare
from app.vision.engine.roi_align import pool_levels
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
            report[precision] = _profile(detector)
            print(f"  {precision}: {report[precision]}", flush=True)
    return report


def _profile(detector: OpenVINODetector) -> dict[str, float]:
    rows = [_photo(detector, path) for path in (PHOTOS[0], *PHOTOS)][1:]
    return {part: round(statistics.median(row[part] for row in rows), 4) for part in rows[0]}


def _photo(detector: OpenVINODetector, path: Path) -> dict[str, float]:
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
    return seconds
