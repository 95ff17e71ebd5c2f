"""Fetching weights from the first source that has them: checked by their hash, put in place only when whole."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.config.settings import Settings
from app.vision.catalogue.checkpoints import CheckpointError, verify
from app.vision.catalogue.models import Model
from app.vision.catalogue.sources import SourceError, place, sources
from app.vision.catalogue.transfer import size_of, transfer

log = logging.getLogger(__name__)


def fetch(model: Model, settings: Settings, progress: bool = True) -> Path:
    """Fetch a model's weights into the checkpoints folder, unless verified ones are there already.

    The sources are tried in turn; the file's hash decides, not who sent it. What arrives is written to `<file>.part`,
    which the next source and another call go on with, and becomes `<file>` when its size and hash are the catalogue's.
    HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE are honoured.

    Args:
        progress: show a progress bar on stderr.

    Raises:
        CheckpointError: one sentence saying what went wrong at each source. Nothing wrong is left behind.
    """
    if not model.sources:
        raise CheckpointError(f"{model.title} is not here, and there is no address to fetch it from.")
    folder = settings.checkpoints_path
    target = folder / model.file
    if _is_verified(target, model):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _part(target, bool(model.sha256)) as (part, file):
            if _is_verified(target, model):  # Another process was faster.
                part.unlink()
                return target
            _fetch_into(model, settings, part, file, progress)
            os.replace(part, target)
    except OSError as error:
        raise CheckpointError(f"{model.file} cannot be written to {folder}: {error.strerror or error}.") from error
    return target


def _is_verified(path: Path, model: Model) -> bool:
    try:
        verify(path, model)
    except CheckpointError:
        return False
    return True


@contextmanager
def _part(target: Path, keep: bool) -> Iterator[tuple[Path, BinaryIO]]:
    """The file that a transfer goes to, locked against other processes.

    keep: keep what was received when the transfer fails.
    """
    part = target.with_name(target.name + ".part")
    while True:
        with part.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckpointError(f"{target.name} is being fetched by another process already.") from error
            # The other process may have moved it into place between opening and locking.
            if part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat()):
                try:
                    yield part, file
                finally:
                    if not keep or size_of(file) == 0:
                        part.unlink(missing_ok=True)
                return


def _fetch_into(model: Model, settings: Settings, part: Path, file: BinaryIO, progress: bool) -> None:
    """Fill the part file with the whole, verified weights from the first source that has them."""
    failures: list[SourceError] = []
    for source in sources(model, settings):
        if failures:
            log.warning("%s: %s; trying %s.", model.title, failures[-1], place(source))
        try:
            return _fetch_from(source, model, settings, part, file, progress)
        except SourceError as error:
            failures.append(error)
    go_on = "go on" if model.sha256 and size_of(file) else "try again"
    raise CheckpointError(
        f"{model.title} cannot be fetched: {'; '.join(map(str, failures))}; run `make weights MODEL={model.name}` to "
        f"{go_on}, set WEIGHTS_MIRROR to where a copy is, or put {model.file} into {settings.checkpoints_path}."
    ) from failures[-1]


def _fetch_from(source: str, model: Model, settings: Settings, part: Path, file: BinaryIO, progress: bool) -> None:
    """Raises SourceError, with the part file emptied if its content is wrong."""
    had = size_of(file)
    transfer(source, model, file, settings, progress)
    if had and not _is_verified(part, model):
        # The earlier part may be of another file, so all of it is fetched once more.
        file.truncate(0)
        transfer(source, model, file, settings, progress)
    try:
        verify(part, model)
    except CheckpointError as error:
        file.truncate(0)
        problem = str(error).removeprefix(part.name).split(";")[0]
        raise SourceError(f"what {place(source)} sent{problem}") from error
