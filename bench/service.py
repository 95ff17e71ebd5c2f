"""What the service adds to the model: measured on the whole service, over HTTP, with made-up photos."""

import contextlib
import io
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from app.config.settings import ROOT
from app.launch.redis_server import free_port

PHOTOS = 12


# No limits but the machine's.
SETTINGS = {"RATE_LIMIT": "", "ANALYSES": "objects", "QUEUE_MAX": "100000"}


def measure() -> dict[str, Any]:
    """Seconds a photo in the worker, overhead, repeated photos, peak memory."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), **SETTINGS) as (address, launcher):
        with httpx.Client(base_url=address, timeout=120) as client:
            fresh = [_new_photo(client, photo(seed)) for seed in range(PHOTOS)]
            repeated = [_repeat(client, photo(0)) for _ in range(30)]
        memory = _peaks(launcher)
        return {
            "photo_seconds_p50": statistics.median(model for model, _ in fresh),
            "overhead_ms_p50": statistics.median(overhead for _, overhead in fresh) * 1000,
            "repeat_ms_p50": statistics.median(repeated) * 1000,
            "peak_mb": memory,
        }


def photo(seed: int, width: int = 640, height: int = 480) -> bytes:
    """A made-up JPEG with soft shapes, different for every seed."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height // 40, width // 40, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def _new_photo(client: httpx.Client, data: bytes) -> tuple[float, float]:
    """(seconds in the model, seconds of everything else) from POST to the overlay that the page draws."""
    began = time.perf_counter()
    run = _post(client, data)
    client.get(f"/runs/{run['id']}/overlay").raise_for_status()
    took = time.perf_counter() - began
    model = sum(sum(steps.values()) for steps in run["timings"]["steps"].values())
    return model, took - model


def _repeat(client: httpx.Client, data: bytes) -> float:
    began = time.perf_counter()
    assert _post(client, data)["deduplicated"]
    return time.perf_counter() - began


def _post(client: httpx.Client, data: bytes) -> dict[str, Any]:
    answer = client.post("/api/v1/runs?wait=60", content=data, headers={"Content-Type": "image/jpeg"})
    answer.raise_for_status()
    return dict(answer.json())


@contextlib.contextmanager
def serving(folder: Path, *options: str, **settings: str) -> Iterator[tuple[str, int]]:
    """The address of a running service with its own data, and the launcher's process id. options: of the launcher."""
    port = free_port()
    environ = {**os.environ, "PORT": str(port), "DATA_DIR": str(folder), "LOG_LEVEL": "ERROR", "REDIS_URL": ""}
    environ |= settings
    command = [sys.executable, "-m", "app.launch", *options]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        for line in launcher.stdout:
            if f":{port}" in line:
                break
        try:
            yield f"http://127.0.0.1:{port}", launcher.pid
        finally:
            launcher.send_signal(signal.SIGTERM)
            launcher.stdout.read()


def _peaks(launcher: int) -> dict[str, float]:
    """Peak resident megabytes of the web process and of the worker process that holds the model."""
    peaks: dict[str, float] = {"web": 0.0, "worker": 0.0}
    for pid in descendants(launcher):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            status = Path(f"/proc/{pid}/status").read_text()
            peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
            name = "web" if "gunicorn" in command else "worker" if "--status-fd" in command else ""
            if name:
                peaks[name] = max(peaks[name], round(peak, 1))
    return peaks


def descendants(pid: int) -> list[int]:
    """The process ids of a process's children, of their children, and so on."""
    children: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # It has ended since.
            for child in path.read_text().split():
                children += [int(child), *descendants(int(child))]
    return children
