"""`python -m bench.memory`: a worker in a container with little memory, given 200 mixed photos.

Mask R-CNN R50-FPN with seeded random weights, which finds a hundred objects in every photo, and the models of the other
analyses work through photos of up to 40 megapixels in several formats. The container may use no more than `--limit`
megabytes and no swap. Succeeds when every photo is done at the first attempt and nothing was killed. The last line is
one JSON object.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.config.analyses import ANALYSES
from app.config.settings import ROOT, Settings
from app.intake import decode, read_photo
from app.launch.redis_server import free_port
from app.queue.services import Services
from app.queue.submit import submit
from app.store.states import FINISHED, State
from app.vision.analyses.engines import engine_folder
from app.vision.catalogue.models import load_catalogue
from app.vision.engine.__main__ import export
from bench.engines import CONFIG, prepare_r50

DOCKER = os.environ.get("DOCKER", "docker")
NAME = "r50"
OTHERS = ("mtcnn", "efficientnet_lite0")
MEGAPIXELS = (0.3, 2, 12, 1, 40, 0.3, 8, 24, 5, 0.1)
FORMATS = ((".jpg", ()), (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)), (".png", ()), (".webp", ()))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--limit", type=int, default=512, help="megabytes")
    parser.add_argument("--count", type=int, default=200, help="photos")
    parser.add_argument("--most", type=float, default=40, help="megapixels of the largest photos")
    parser.add_argument("--photos", type=Path, default=ROOT / "test_images", help="folder to take photos from")
    parser.add_argument("--analyses", default=",".join(ANALYSES), help="those that the worker does, on each photo")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--image", default="flask-detector:serve")
    parser.add_argument("--option", action="append", default=[], help="a further option of docker run")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _publish(folder)
        with _redis() as port, _worker(folder, port, options) as container:
            report = _feed(folder, port, container, options)
    print(json.dumps(report))
    return 0 if report["done"] == options.count and not report["killed"] and not report["restarts"] else 1


def _publish(folder: Path) -> None:
    """Engines, and the random detector's catalogue entry, as an image that only serves has them: no checkpoint."""
    made, home, engine = folder / "made", folder / "model", folder / "checkpoints" / "engines" / NAME
    model = prepare_r50(made)
    home.mkdir()
    shutil.copytree(engine_folder(model, made), engine)
    shutil.rmtree(made)
    digest = json.loads((engine / "engine.json").read_text())["source"]["checkpoint"]
    shutil.copy(CONFIG, home)
    entry = {"name": NAME, "title": "R50", "analyzer": "objects", "loader": "mmdet", "config": CONFIG.name}
    entry |= {"file": model.file, "sha256": digest, "labels": "coco", "licence": "none"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
    (home / "models.toml").write_text("\n".join(["[[model]]", *lines, ""]))
    for name in OTHERS:
        export(load_catalogue()[name], folder / "checkpoints")


@contextlib.contextmanager
def _redis() -> Iterator[int]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            yield port
        finally:
            server.terminate()


@contextlib.contextmanager
def _worker(folder: Path, port: int, options: argparse.Namespace) -> Iterator[str]:
    """The container's id. It shares the host's network, to reach its Redis, and the folder as /data.

    Its health is checked as docker-compose.yml does: one more process, of which the memory counts.
    """
    limits = ["-m", f"{options.limit}m", "--memory-swap", f"{options.limit}m"]
    values = {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "MODEL": "/data/model", "ANALYSES": options.analyses}
    values |= {"DATA_DIR": "/data", "CHECKPOINTS_DIR": "/data/checkpoints", "PRECISION": options.precision}
    environ = [part for name, value in values.items() for part in ("-e", f"{name}={value}")]
    shared = ["--network", "host", "--user", str(os.getuid()), "-v", f"{folder}:/data", *options.option]
    health = ["--health-cmd", "python -m app.launch.check worker", "--health-interval", "5s"]
    container = _docker("run", "-d", *limits, *shared, *health, *environ, options.image, "python", "worker.py")
    try:
        yield container
    finally:
        print(_docker("logs", "--tail", "20", container, stderr=True), file=sys.stderr)
        _docker("rm", "-f", container)


def _feed(folder: Path, port: int, container: str, options: argparse.Namespace) -> dict[str, Any]:
    settings = replace(Settings.from_env({}), data_dir=str(folder), redis_url=f"redis://127.0.0.1:{port}/0")
    services = Services.from_settings(settings)
    services.store.migrate()
    analyses = options.analyses.split(",")
    _until(services.jobs.workers, 60, "the worker does not start")
    cards, resident, states = services.jobs.cards(), [], []
    for number, data in enumerate(_photos(options.photos, options.count, options.most)):
        photo = read_photo(data, max_bytes=1 << 30, max_pixels=40_000_000)
        run = submit(services, photo, name=f"{number}", analyses=analyses, owner="v:bench")
        _until(lambda run=run: services.store.get_run(run.id).state in FINISHED, 180, f"photo {number} is not done")
        states.append(services.store.get_run(run.id).state)
        resident.append(_anonymous_mb(container))
        print(f"{number}: {photo.width}x{photo.height} {photo.format} {states[-1]}, {resident[-1]:.0f} MB", flush=True)
    counters = _docker(
        "exec", container, "sh", "-c", "cd /sys/fs/cgroup; cat memory.events memory/memory.oom_control; :"
    )
    killed = re.search(r"^oom_kill (\d+)", counters, re.MULTILINE)
    return {
        "limit_mb": options.limit,
        "models": [cards[name].identity for name in analyses],
        "notes": [cards[name].note for name in analyses],
        "photos": len(states),
        "done": sum(state == State.DONE for state in states),
        "killed": int(killed[1]) if killed else 0,
        "restarts": _docker("logs", container, stderr=True).count("is ready:") - 1,
        "between_photos_mb": {"10th": round(resident[min(9, len(resident) - 1)]), "last": round(resident[-1])},
    }


def _photos(folder: Path, count: int, most: float) -> Iterator[bytes]:
    """Photos of the folder at many sizes and in four formats, all different."""
    files = sorted(p for p in folder.iterdir() if p.suffix in (".jpg", ".jpeg", ".png"))
    for number in range(count):
        rgb = decode(files[number % len(files)].read_bytes())
        if number % 3 == 2:
            rgb = np.ascontiguousarray(rgb.transpose(1, 0, 2))
        megapixels = min(most, MEGAPIXELS[number % len(MEGAPIXELS)])
        factor = (megapixels * 1e6 / (rgb.shape[0] * rgb.shape[1])) ** 0.5
        sized = cv2.resize(rgb, (int(rgb.shape[1] * factor), int(rgb.shape[0] * factor)))
        sized[0, 0] = number
        suffix, parameters = FORMATS[number // len(MEGAPIXELS) % len(FORMATS)]
        yield cv2.imencode(suffix, sized[:, :, ::-1], parameters)[1].tobytes()


def _anonymous_mb(container: str) -> float:
    """Memory of all processes of the container that is not a file's."""
    text = _docker("exec", container, "sh", "-c", "cat /proc/[0-9]*/status 2>/dev/null; :")
    return sum(int(size) for size in re.findall(r"^RssAnon:\s+(\d+)", text, re.MULTILINE)) / 1024


def _until(true: Any, seconds: float, otherwise: str) -> None:
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError(otherwise)
        time.sleep(0.05)


def _docker(*arguments: str, stderr: bool = False) -> str:
    target = subprocess.STDOUT if stderr else None
    done = subprocess.run([DOCKER, *arguments], stdout=subprocess.PIPE, stderr=target, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
