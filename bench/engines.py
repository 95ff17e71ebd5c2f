"""Mask R-CNN R50-FPN at 800 px, the same seeded random weights in every engine: seconds a photo and peak memory.

Each engine runs in a process of its own, one after the other, on the photos of `test_images/`. The random weights find
a hundred objects in every photo, the most that there can be: the slowest case for every engine.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.config.settings import ROOT, Settings
from app.intake import decode
from app.system.machine import cpu_count
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.models import Model

CONFIG = ROOT / "configs" / "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco.py"
PHOTOS = sorted((ROOT / "test_images").glob("*.jpg"))
VARIANTS = {
    "MMDetection as the original app ran it": "original",
    "MMDetection, preloaded": "mmdet",
    "torchvision's Mask R-CNN R50-FPN": "torchvision",
    "our engine's graphs in ONNX Runtime, f32": "onnx",
    "our engine, f32": "f32",
    "our engine, bf16": "bf16",
    "our engine, int8": "int8",
    "our engine, bf16, saving memory for 512 MB": "bf16-512",
    "our engine, int8, saving memory for 512 MB": "int8-512",
}


def measure() -> dict[str, Any]:
    """Rows by engine: seconds (median a photo), ready (seconds until the first photo can come), peak_mb, objects."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "bench.engines", "prepare", folder], cwd=ROOT, check=True)
        rows = {title: _call(variant, folder) for title, variant in VARIANTS.items()}
    return {"photos": len(PHOTOS), "rows": rows}


def _call(variant: str, folder: str) -> dict[str, float]:
    environ = {**os.environ, "OMP_NUM_THREADS": str(cpu_count()), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench.engines", variant, folder]
    answer = subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    print(f"  {variant}: {row}", flush=True)
    return row


def model_in(folder: Path) -> Model:
    """The catalogue entry of the random detector in a folder."""
    return Model("r50", "R50", "objects", "mmdet", "none", CONFIG, file="r50.pth", labels="coco", home=folder)


def prepare_r50(folder: Path, photos: Path = ROOT / "test_images") -> Model:
    """The random checkpoint and its engine in every precision; photos: a folder to calibrate int8 on."""
    from app.vision.engine.__main__ import export, quantize
    from tests.fixtures.weights import write_checkpoint

    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(CONFIG, folder / "r50.pth", photos=[decode(path.read_bytes()) for path in PHOTOS])
    export(model_in(folder), folder)
    quantize(model_in(folder), folder, photos)
    return model_in(folder)


def _prepare(folder: Path) -> None:
    from app.vision.analyses.engines import engine_folder
    from bench.onnx_engine import export_onnx

    model = prepare_r50(folder)
    export_onnx(model, folder, engine_folder(model, folder))


def _original(folder: Path) -> Callable[[np.ndarray], int]:
    """A model for every job, and the photo drawn by MMDetection with matplotlib."""
    from mmdet.apis import inference_detector, init_detector

    def run(rgb: np.ndarray) -> int:
        detector = init_detector(str(CONFIG), str(folder / "r50.pth"), device="cpu")
        result = inference_detector(detector, rgb[:, :, ::-1])
        detector.show_result(rgb[:, :, ::-1], result, score_thr=0.5, out_file=str(folder / "drawn.jpg"))
        return sum(len(boxes) for boxes in result[0])

    return run


def _mmdet(folder: Path) -> Callable[[np.ndarray], int]:
    from mmdet.apis import inference_detector, init_detector

    detector = init_detector(str(CONFIG), str(folder / "r50.pth"), device="cpu")
    return lambda rgb: sum(len(boxes) for boxes in inference_detector(detector, rgb[:, :, ::-1])[0])


def _torchvision(folder: Path) -> Callable[[np.ndarray], int]:
    import torch
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    torch.manual_seed(0)
    detector = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, box_score_thresh=0.0).eval()

    def run(rgb: np.ndarray) -> int:
        with torch.inference_mode():
            return len(detector([torch.from_numpy(rgb).permute(2, 0, 1) / 255])[0]["scores"])

    return run


def _engine(precision: str, limit_mb: int = 0) -> Callable[[Path], Callable[[np.ndarray], int]]:
    def make_engine(folder: Path) -> Callable[[np.ndarray], int]:
        from app.vision.analyses.engines import engine_folder
        from app.vision.analyses.objects.openvino import make

        settings = Settings(precision=precision, memory_limit_mb=limit_mb)
        detector = make(model_in(folder), engine_folder(model_in(folder), folder), settings)
        detector.load("cpu")
        return lambda rgb: _count(detector.analyse(rgb).result)

    return make_engine


def _onnx(folder: Path) -> Callable[[np.ndarray], int]:
    from app.vision.analyses.engines import engine_folder
    from bench.onnx_engine import make_onnx

    detector = make_onnx(engine_folder(model_in(folder), folder), cpu_count())
    detector.load("cpu")
    return lambda rgb: _count(detector.analyse(rgb).result)


def _count(result: Any) -> int:
    assert isinstance(result, Instances)
    return len(result)


MAKERS = {
    "onnx": _onnx,
    "original": _original,
    "mmdet": _mmdet,
    "torchvision": _torchvision,
    **{name: _engine(name) for name in ("f32", "bf16", "int8")},
    **{f"{name}-512": _engine(name, 512) for name in ("bf16", "int8")},
}


def _run(variant: str, folder: Path) -> dict[str, float]:
    began = time.perf_counter()
    run = MAKERS[variant](folder)
    ready = time.perf_counter() - began
    photos = [decode(path.read_bytes()) for path in PHOTOS]
    if variant != "original":
        run(photos[0])
    seconds, objects = [], []
    for photo in photos:
        began = time.perf_counter()
        objects.append(run(photo))
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": round(statistics.median(seconds), 3),
        "ready": round(ready, 2),
        "peak_mb": round(peak, 1),
        "objects": statistics.mean(objects),
    }


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    chosen, where = sys.argv[1], Path(sys.argv[2])
    if chosen == "prepare":
        _prepare(where)
    else:
        print(json.dumps(_run(chosen, where)))
