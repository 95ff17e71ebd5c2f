"""The worker of the trainings: one at a time, each as a process of its own, at low priority.

`python worker.py --queue trainings`. It shares Redis, database and store with the others and nothing else, so it can
run on another machine, with a GPU.
"""

import json
import logging
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from importlib.util import find_spec
from typing import Any

import redis

from app.config.settings import ROOT
from app.errors import PublicError
from app.queue import constants
from app.queue.services import Services
from app.store.models import Training
from app.store.states import State
from app.store.trainings import TakenOver
from app.system.process import die_first, die_with_parent, leave_cpus_to_others
from app.vision.catalogue.models import CatalogueError
from app.worker.models import link_bundled
from app.worker.rq_worker import QueueConsumer
from app.worker.training_folder import TrainingFolder, progress

log = logging.getLogger(__name__)

TICK = 1.0  # seconds between two looks at a training
NEEDED = ("torch", "mmdet")
STOPPED = 130  # exit status of a training that was interrupted
NO_PACKAGES = "Training needs PyTorch and MMDetection; `make full` installs them."
CRASHED = "The training ended by itself, perhaps for lack of memory. Resume it to go on from its last step."


def missing() -> list[str]:
    """The packages that training needs and that are not installed. Imports none of them."""
    return [name for name in NEEDED if find_spec(name) is None]


def main(services: Services) -> None:
    """Work the queue until SIGTERM; the training of this moment is then stopped, and goes on at the next start."""
    if missing():
        raise SystemExit(NO_PACKAGES)
    link_bundled(services.settings.checkpoints_path)
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
        self._folders = services.settings.data_path / "trainings"

    def __call__(self, id: str) -> None:
        store = self._services.store.trainings
        self._tidy()
        training = store.start(id)
        if training is None:
            return
        try:
            folder = TrainingFolder(self._services.store, training, self._folders / id)
            folder.prepare()
            status = self._run(training, folder)
            if status == 0:
                self._keep(training, folder)
            elif status == STOPPED and self._stopping():
                store.release(id)
            elif status == STOPPED:
                store.end(id, State.CANCELLED)
            else:
                store.end(id, State.FAILED, error=folder.last_words() or CRASHED)
        except TakenOver:
            log.warning("training %s was taken over by another worker", id)
        except (PublicError, CatalogueError, OSError) as error:
            log.exception("training %s failed", id)
            store.end(id, State.FAILED, error=getattr(error, "message", "") or str(error))

    def _tidy(self) -> None:
        """Delete the folders of trainings that are done or deleted, perhaps by another worker."""
        unfinished = {each.id for each in self._services.store.trainings.all() if each.state != State.DONE}
        for folder in self._folders.glob("*"):
            if folder.name not in unfinished:
                shutil.rmtree(folder, ignore_errors=True)

    def _run(self, training: Training, folder: TrainingFolder) -> int:
        """Run the trainer to its end; its exit status."""
        asked = False

        def beat() -> None:
            nonlocal asked
            stop = self._services.store.trainings.beat(training, progress(folder.out)) or self._stopping()
            if stop and not asked:
                process.send_signal(signal.SIGINT)
                asked = True

        with folder.log.open("ab") as output, ThreadPoolExecutor(1) as keeper:
            options: dict[str, Any] = {"cwd": ROOT, "stdout": output, "stderr": output, "preexec_fn": _politely}
            process = subprocess.Popen(_command(training, folder), start_new_session=True, **options)
            try:
                keeping = keeper.submit(folder.keep)
                while process.poll() is None:
                    beat()
                    if keeping.done():
                        keeping = keeper.submit(folder.keep)
                    time.sleep(TICK)
                keeping = keeper.submit(folder.keep)
                while not keeping.done():  # A large state takes longer than it takes to be given up for lost.
                    beat()
                    wait([keeping], TICK)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
        beat()
        return STOPPED if asked and process.returncode == -signal.SIGINT else process.returncode

    def _keep(self, training: Training, folder: TrainingFolder) -> None:
        """Keep what was trained as a version, and forget what only the training needed."""
        card = json.loads((folder.out / "card.json").read_text())
        card |= {"data_set": folder.data_set, "minutes": training.minutes}
        version = self._services.store.versions.add(folder.out, training.title, card, id=training.id)
        self._services.store.trainings.end(training.id, State.DONE, version_id=version.id)
        shutil.rmtree(folder.path, ignore_errors=True)


def _command(training: Training, folder: TrainingFolder) -> list[str]:
    options = {
        "--data": folder.data / "train",
        "--validation-data": folder.data / "validation",
        "--base": training.base,
        "--classes": training.classes,
        "--out": folder.out,
        "--minutes": training.minutes,
        "--evaluations": 1 if training.minutes < 1 else 2 if training.minutes < 10 else 4,
    }
    return [sys.executable, "-m", "app.training", *(str(each) for pair in options.items() for each in pair)]


def _politely() -> None:
    """In the child: end with the worker, first of all when memory runs out, and leave the CPUs to the photos."""
    die_with_parent(signal.SIGKILL)
    die_first()
    leave_cpus_to_others()
