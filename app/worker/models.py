"""Gets the models that a worker serves: engines for what is here, then the model that is not here yet.

Photos are answered by what is here, such as the starter, while the rest is fetched.
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
# Commands that say themselves what they do and, in a line, what they cannot.
FETCH, MAKE_ENGINES = "app.vision.catalogue.fetch", "app.vision.engine"
TICK = 0.1  # seconds between two looks at a command


class Models(threading.Thread):
    """Readies the models in a thread of its own; nothing that fails there stops the worker.

    coming: the better model that is being fetched, None at other times.
    """

    def __init__(self, settings: Settings):
        super().__init__(name="models", daemon=True)
        self.coming: Model | None = None
        self._settings, self._folder = settings, settings.checkpoints_path
        self._stopping, self._ready, self._improved = threading.Event(), threading.Event(), threading.Event()

    def stop(self) -> None:
        """End what is under way; the next start goes on with it."""
        self._stopping.set()
        self.join()

    @property
    def ready(self) -> bool:
        """Whether what is here can be served."""
        return self._ready.is_set()

    def improved(self) -> bool:
        """Whether a better model has come since this was asked last."""
        improved = self._improved.is_set()
        self._improved.clear()
        return improved

    def annotate(self, cards: Iterable[ModelCard]) -> list[ModelCard]:
        """The cards of what is served; a stand-in's note names the model that is on its way."""
        coming = self.coming
        if coming is None:
            return list(cards)
        note = "{} answers while {} is being fetched."
        return [
            replace(card, note=note.format(card.title, coming.title)) if card.analyzer == coming.analyzer else card
            for card in cards
        ]

    def run(self) -> None:
        """What the thread does."""
        try:
            link_bundled(self._folder)
            if self._named_is_missing():  # It was asked for by name: nothing stands in for it.
                self._command(FETCH)
            self._command(MAKE_ENGINES)
        finally:
            self._ready.set()
        came = any(self._comes(model) for model in self._better())
        if came:
            self._command(MAKE_ENGINES)
        self.coming = None
        if came:
            self._improved.set()

    def _named_is_missing(self) -> bool:
        name = self._settings.model
        try:
            return name != "auto" and not self._installed(find_model(name))
        except CatalogueError:  # The offer of analyses says what is wrong.
            return False

    def _better(self) -> list[Model]:
        """What MODEL=auto prefers to what is installed, best first."""
        if self._settings.model != "auto":
            return []
        return list(takewhile(lambda model: not self._installed(model), preferred(self._settings)))

    def _comes(self, model: Model) -> bool:
        """Fetch a model; whether it could be had."""
        self.coming = model
        self._command(FETCH, model.name)
        return self._installed(model)

    def _installed(self, model: Model) -> bool:
        return installed(model, self._folder)

    def _command(self, *module: str) -> None:
        """Run a module with arguments unless told to stop, one at a time of all workers that share the folder."""
        with _turn(self._folder, self._stopping):
            command = [sys.executable, "-m", *module]
            status = None if self._stopping.is_set() else run_command(command, self._stopping)
        if status is not None and status < 0:
            name = signal.Signals(-status).name
            log.warning("`python -m %s` was ended by %s, perhaps for lack of memory", " ".join(module), name)


def link_bundled(folder: Path, bundled: Path = BUNDLED) -> None:
    """Make the models that come with the program known in another checkpoints folder.

    By links, so that a new version of the program brings its own.
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
    """Wait for whoever readies the same folder, so that every worker of a host finds the same models."""
    try:
        lock = (folder / ".preparing").open("a")
    except OSError:  # Nobody can put anything there.
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
