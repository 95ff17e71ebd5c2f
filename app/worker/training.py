"""The worker of the trainings: one at a time, each as a process of its own, at low priority.

`python worker.py --queue trainings`. It shares Redis, database and store with the others and nothing else, so it can
run on another machine, with a GPU.
"""

import io
import json
import logging
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis

from app.config.settings import ROOT
from app.datasets.split import PARTS
from app.datasets.write import write
from app.errors import PublicError
from app.intake.archive import unpack
from app.queue import constants
from app.queue.services import Services
from app.store.models import Training
from app.store.states import State
from app.system.process import die_first, die_with_parent, leave_cpus_to_others
from app.vision.catalogue.models import CatalogueError
from app.worker.rq_worker import QueueConsumer

log = logging.getLogger(__name__)

TICK = 1.0  # seconds between two looks at a training
POINTS = 200  # of a curve
NEEDED = ("torch", "mmdet")
STOPPED = 130  # exit status of a training that was interrupted
NO_PACKAGES = "Training needs PyTorch and MMDetection; `make full` installs them."
TOO_FEW = "A training needs photos with objects to learn from and photos to measure; this data set has not both."
GONE = "The data set of this training was deleted."
CRASHED = "The training ended by itself, perhaps for lack of memory. Resume it to go on from its last step."


def missing() -> list[str]:
    """The packages that training needs and that are not installed. Imports none of them."""
    return [name for name in NEEDED if find_spec(name) is None]


def main(services: Services) -> None:
    """Work the queue until SIGTERM; the training of this moment is then stopped, and goes on at the next start."""
    if missing():
        raise SystemExit(NO_PACKAGES)
    task = TrainingTask(services, lambda: consumer.stopping)
    consumer = QueueConsumer(services.jobs, task, services.jobs.trainings)
    threading.Thread(target=_beat, args=(services,), daemon=True).start()
    log.info("trainings are taken")
    consumer.run()


def _beat(services: Services) -> None:
    """Say that this worker is alive, and queue the trainings that were lost."""
    while True:
        try:
            services.jobs.trainer_beat()
            for id in services.store.trainings.pending():
                services.jobs.enqueue_training(id)
        except (redis.RedisError, PublicError, OSError) as error:
            log.warning("not reported yet: %s", error)
        time.sleep(constants.HEARTBEAT)


class TrainingTask:
    """Runs a training, and keeps its result as a version. stopping: whether this worker is to end."""

    def __init__(self, services: Services, stopping: Callable[[], bool]):
        self._services, self._stopping = services, stopping

    def __call__(self, id: str) -> None:
        store = self._services.store.trainings
        training = store.start(id)
        if training is None:
            return
        try:
            folder = self._services.settings.data_path / "trainings" / id
            self._prepare(training, folder)
            status = self._run(training, folder)
            if status == 0:
                self._keep(training, folder)
            elif status == STOPPED and self._stopping():
                store.release(id)
            elif status == STOPPED:
                store.end(id, State.CANCELLED)
            else:
                store.end(id, State.FAILED, error=_last_line(folder / "log.txt") or CRASHED)
        except (PublicError, CatalogueError, OSError) as error:
            log.exception("training %s failed", id)
            store.end(id, State.FAILED, error=getattr(error, "message", "") or str(error))

    def _prepare(self, training: Training, folder: Path) -> None:
        """Write the data set into a folder, once: a training that goes on sees the same. Raises CatalogueError."""
        data = folder / "data"
        if data.is_dir():
            return
        if training.data_set_id is None:
            raise CatalogueError(GONE)
        sets = self._services.store.data_sets
        examples = list(sets.examples(training.data_set_id))
        classes = sorted({truth.name for example in examples for truth in example.truths})
        labelled = {example.part for example in examples if any(not truth.crowd for truth in example.truths)}
        if len(labelled) < len(PARTS):
            raise CatalogueError(TOO_FEW)
        part_folder = folder / "data.part"
        shutil.rmtree(part_folder, ignore_errors=True)
        for part in PARTS:
            file = write([example for example in examples if example.part == part], classes, "coco", part)
            unpack(io.BytesIO(file.read()), part_folder / part, max_bytes=2**40, max_total=2**40)
        about = {**sets.summary(training.data_set_id).data_set.__dict__, "hash": sets.hash(training.data_set_id)}
        (folder / "set.json").write_text(json.dumps({key: about[key] for key in ("id", "name", "hash")}))
        part_folder.replace(data)

    def _run(self, training: Training, folder: Path) -> int:
        """Run the trainer to its end; its exit status."""
        store, out, asked = self._services.store.trainings, folder / "out", False
        with (folder / "log.txt").open("ab") as output:
            options: dict[str, Any] = {"cwd": ROOT, "stdout": output, "stderr": output, "preexec_fn": _politely}
            process = subprocess.Popen(_command(training, folder), start_new_session=True, **options)
            try:
                while process.poll() is None:
                    stop = store.beat(training.id, progress(out)) or self._stopping()
                    if stop and not asked:
                        process.send_signal(signal.SIGINT)
                        asked = True
                    time.sleep(TICK)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        store.beat(training.id, progress(out))
        return STOPPED if asked and process.returncode == -signal.SIGINT else process.returncode

    def _keep(self, training: Training, folder: Path) -> None:
        """Keep what was trained as a version, and forget what only the training needed."""
        card = json.loads((folder / "out" / "card.json").read_text())
        card |= {"data_set": json.loads((folder / "set.json").read_text()), "minutes": training.minutes}
        version = self._services.store.versions.add(folder / "out", training.title, card, id=training.id)
        self._services.store.trainings.end(training.id, State.DONE, version_id=version.id)
        shutil.rmtree(folder, ignore_errors=True)


def progress(out: Path) -> dict[str, Any]:
    """How far the training in a folder is: step, steps, seconds that are left, and the points of its curves."""
    steps = _json(out / "plan.json").get("steps")
    log_file = out / "log.jsonl"
    lines = log_file.read_text().splitlines() if log_file.is_file() else []
    entries = [entry for line in lines if (entry := _line(line))]
    losses = [entry for entry in entries if "loss" in entry]
    step = losses[-1]["step"] if losses else 0
    recent = [entry["seconds"] for entry in losses[-20:]]
    left = (steps - step) * sum(recent) / len(recent) if steps and recent else None
    shown = losses[:: max(1, len(losses) // POINTS)]
    return {
        "step": step,
        "steps": steps,
        "left": left,
        "loss": [[entry["step"], entry["loss"]] for entry in shown],
        "ap": [[e["step"], e["scores"]["box"]["AP"]] for e in entries if "scores" in e],
    }


def _command(training: Training, folder: Path) -> list[str]:
    data = folder / "data"
    options = {
        "--data": data / "train",
        "--validation-data": data / "validation",
        "--base": training.base,
        "--out": folder / "out",
        "--minutes": training.minutes,
        "--evaluations": 1 if training.minutes < 10 else 3,
    }
    return [sys.executable, "-m", "app.training", *(str(each) for pair in options.items() for each in pair)]


def _politely() -> None:
    """In the child: end with the worker, first of all when memory runs out, and leave the CPUs to the photos."""
    die_with_parent(signal.SIGKILL)
    die_first()
    leave_cpus_to_others()


def _json(path: Path) -> dict[str, Any]:
    return _line(path.read_text()) if path.is_file() else {}


def _line(text: str) -> dict[str, Any]:
    """A line of JSON; empty where it is being written at this moment."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].rpartition("\r")[2] if lines else ""
