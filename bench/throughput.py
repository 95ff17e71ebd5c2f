"""Photos a second of the engine: one worker with every core, several with one each, and several photos in one batch."""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from app.config.settings import ROOT, Settings
from app.intake import decode
from app.vision.analyses.engines import engine_folder
from app.vision.analyses.objects.openvino import make
from app.vision.analyses.objects.preprocess import prepare
from app.vision.engine.runtime import Runtime
from bench.engines import PHOTOS, model_in, prepare_r50

ROUNDS, BATCH = 3, 4


def measure() -> dict[str, Any]:
    """By precision: photos a second of 1 and 2 workers; seconds a photo of the dense graph alone and in a batch."""
    with tempfile.TemporaryDirectory() as name:
        prepare_r50(Path(name))
        report = {}
        for precision in ("auto", "int8"):
            workers = {str(count): _workers(count, precision, name) for count in (1, 2)}
            report[precision] = {"photos_per_second": workers, "dense_seconds": _batched(Path(name), precision)}
            print(f"  {precision}: {report[precision]}", flush=True)
    return report


def _workers(count: int, precision: str, folder: str) -> float:
    """Photos a second of `count` workers that share the cores."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench.throughput", precision, str(count), folder]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, cwd=ROOT, env=environ, **pipes) for _ in range(count)]
    for process in running:
        process.stdout.readline()
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    seconds = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    return round(sum(ROUNDS * len(PHOTOS) / took for took in seconds), 3)


def _work(precision: str, workers: int, folder: Path) -> None:
    """One worker: load, warm up, say so, wait for the start, work; prints the seconds that it took."""
    model = model_in(folder)
    detector = make(model, engine_folder(model, folder), Settings(precision=precision, workers=workers))
    detector.load("cpu")
    photos = [decode(path.read_bytes()) for path in PHOTOS]
    detector.analyse(photos[0])
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for photo in photos:
            detector.analyse(photo)
    print(json.dumps(time.perf_counter() - began))


def _batched(folder: Path, precision: str) -> dict[str, float]:
    """Seconds a photo of the dense graph, for one photo at a time and for a batch."""
    model = model_in(folder)
    runtime = Runtime(precision)
    engine = engine_folder(model, folder)
    detector = make(model, engine, Settings(precision=precision))
    image, _, _ = prepare(decode(PHOTOS[0].read_bytes()), detector.spec.preprocessing)
    suffix = "" if runtime.precision == "bf16" else f"-{runtime.precision}"
    seconds = {}
    for batch in (1, BATCH):
        value = np.repeat(image, batch, axis=0)
        compiled = runtime.compile(engine / f"dense{suffix}.xml", value.shape, 0)
        request = compiled.create_infer_request()
        request.infer([ov.Tensor(value, shared_memory=True)])
        began = time.perf_counter()
        for _ in range(ROUNDS):
            request.infer([ov.Tensor(value, shared_memory=True)])
        seconds[str(batch)] = round((time.perf_counter() - began) / ROUNDS / batch, 3)
    return seconds


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    _work(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
