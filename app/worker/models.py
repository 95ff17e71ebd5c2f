"""Prepares the models that a worker serves: engines for the installed ones, then a better one that is fetched.

Photos are answered by what is installed, such as the starter, while the rest is fetched.
"""

import fcntl
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from app.config.settings import ROOT, Settings
from app.system.process import die_first, die_with_parent
from app.vision.analyses.offer import installed
from app.vision.catalogue.models import CatalogueError, Model
from app.vision.catalogue.preference import preferred
from app.vision.catalogue.zoo import find_model
from app.vision.results import ModelCard

log = logging.getLogger(__name__)

BUNDLED = ROOT / "checkpoints"
# Commands that report their own progress and failures.
FETCH, MAKE_ENGINES = "app.vision.catalogue.fetch", "app.vision.engine"
TICK = 0.1  # seconds between two checks of a command


class Models(threading.Thread):
    """Prepares the models in a thread of its own; a failure there does not stop the worker.

    fetching: the better model that is being fetched, or None.
    """

    def __init__(self, settings: Settings):
        super().__init__(name="models", daemon=True)
        self.fetching: Model | None = None
        self._settings, self._folder = settings, settings.checkpoints_path
        self._stopping, self._ready, self._improved = threading.Event(), threading.Event(), threading.Event()

    def stop(self) -> None:
        """End the command that is running; the next start resumes it."""
        self._stopping.set()
        self.join()

    @property
    def ready(self) -> bool:
        """Whether the installed models can be served."""
        return self._ready.is_set()

    def improved(self) -> bool:
        """Whether a better model has been installed since the last call."""
        improved = self._improved.is_set()
        self._improved.clear()
        return improved

    def annotate(self, cards: Iterable[ModelCard]) -> list[ModelCard]:
        """The cards of what is served; a stand-in's note names the model that is being fetched."""
        fetching = self.fetching
        if fetching is None:
            return list(cards)
        note = "{} answers while {} is being fetched."
        return [
            replace(card, note=note.format(card.title, fetching.title)) if card.analyzer == fetching.analyzer else card
            for card in cards
        ]

    def run(self) -> None:
        """What the thread does."""
        try:
            link_bundled(self._folder)
            if self._named_is_missing():  # Nothing stands in for a model that MODEL names.
                self._command(FETCH)
            self._command(MAKE_ENGINES)
        finally:
            self._ready.set()
        fetched = any(self._fetch(model) for model in self._better())
        if fetched:
            self._command(MAKE_ENGINES)
        self.fetching = None
        if fetched:
            self._improved.set()

    def _named_is_missing(self) -> bool:
        name = self._settings.model
        try:
            return name != "auto" and not self._installed(find_model(name))
        except CatalogueError:  # The offer of analyses says what is wrong.
            return False

    def _better(self) -> list[Model]:
        """The models that MODEL=auto prefers to the installed ones, best first."""
        if self._settings.model != "auto":
            return []
        return list(takewhile(lambda model: not self._installed(model), preferred(self._settings)))

    def _fetch(self, model: Model) -> bool:
        """Fetch a model; returns whether it is installed now."""
        self.fetching = model
        self._command(FETCH, model.name)
        return self._installed(model)

    def _installed(self, model: Model) -> bool:
        return installed(model, self._folder)

    def _command(self, *module: str) -> None:
        """Run a module with arguments unless told to stop. Workers that share the folder run one at a time."""
        with _turn(self._folder, self._stopping):
            command = [sys.executable, "-m", *module]
            status = None if self._stopping.is_set() else run_command(command, self._stopping)
        if status is not None and status < 0:
            name = signal.Signals(-status).name
            log.warning("`python -m %s` was ended by %s, perhaps for lack of memory", " ".join(module), name)


def link_bundled(folder: Path, bundled: Path = BUNDLED) -> None:
    """Link the models that come with the program into another checkpoints folder.

    Links, because a new version of the program brings new models.
    """
    if folder.resolve() == bundled.resolve():
        return
    for source in [*bundled.glob("*.pth"), *bundled.glob("engines/*")]:
        link = folder / source.relative_to(bundled)
        with suppress(OSError):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)


@contextmanager
def _turn(folder: Path, stop: threading.Event) -> Iterator[None]:
    """Hold the folder's lock, so that only one worker of a host prepares its models at a time."""
    try:
        lock = (folder / ".preparing").open("a")
    except OSError:  # A folder that nobody can write to needs no lock.
        yield
        return
    with lock:
        while not stop.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                stop.wait(TICK)
        yield


def run_command(command: list[str], stop: threading.Event) -> int | None:
    """Run a command to its end, or until told to stop; its exit status, None when it was stopped."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, preexec_fn=_leave_with_worker)
    while process.poll() is None:
        if stop.wait(TICK):
            process.kill()
            process.wait()
            return None
    return process.returncode


def _leave_with_worker() -> None:
    die_with_parent(signal.SIGKILL)
    die_first()
