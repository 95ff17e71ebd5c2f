"""Takes up the version that is the default, without a restart of the worker."""

import logging
import shutil
import sys
import threading
from pathlib import Path

from app.config.settings import Settings
from app.errors import PublicError
from app.store import Store
from app.vision.catalogue.models import CatalogueError
from app.vision.catalogue.packed import unpack
from app.worker.models import MAKE_ENGINES, run_command

log = logging.getLogger(__name__)

# Seconds between two looks at the promotions, and after one that failed.
INTERVAL, PAUSE = 1.0, 30.0


class Versions(threading.Thread):
    """Prepares the default version in a thread of its own, and says when it is ready.

    A version is unpacked below DATA_DIR, and its engine made there, before anything is replaced. Where
    that fails, what is served goes on.

    model: what the setting MODEL should be; empty for what it is.
    """

    def __init__(self, settings: Settings, store: Store):
        super().__init__(name="versions", daemon=True)
        self.model = ""
        self._folder, self._store = settings.data_path / "versions", store
        self._stopping, self._ready, self._changed = threading.Event(), threading.Event(), threading.Event()

    @property
    def ready(self) -> bool:
        """Whether it is known what to serve."""
        return self._ready.is_set()

    def changed(self) -> bool:
        """Whether `model` has changed since the last call."""
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """What the thread does."""
        while not self._stopping.is_set():
            try:
                self._look()
                pause = INTERVAL
            except (PublicError, CatalogueError, OSError) as error:
                log.warning("the default version is not taken up: %s", error)
                pause = PAUSE
            self._ready.set()
            self._stopping.wait(pause)

    def _look(self) -> None:
        """Prepare the default version where it is another than before."""
        id = self._store.versions.current()
        model = str(self._folder / id) if id else ""
        if model == self.model:
            return
        if id:
            self._prepare(id, self._folder / id)
        if self._stopping.is_set():
            return
        self.model = model
        if self._ready.is_set():
            self._changed.set()
        log.info("the default is %s now", f"version {id}" if id else "the model of the settings")

    def _prepare(self, id: str, folder: Path) -> None:
        """Unpack a version, and make its engine."""
        if not folder.is_dir():
            for old in self._folder.glob("*.part-*"):
                shutil.rmtree(old, ignore_errors=True)
            unpack(self._store.versions.data(id), folder)
        status = run_command([sys.executable, "-m", MAKE_ENGINES, str(folder)], self._stopping)
        if status:
            raise CatalogueError(f"version {id} has no engine here")
