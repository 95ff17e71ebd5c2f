"""What a visitor sent: one photo, or several and ZIPs, read one at a time."""

from collections.abc import Iterator, Sequence

from flask import request
from werkzeug.datastructures import FileStorage

from app.config.analyses import DEFAULT_ANALYSES
from app.errors import EntryRefused, NoPhoto, PublicError
from app.intake import read_photo
from app.intake.archive import MAX_ENTRIES, Entry, is_archive, read_archive
from app.intake.names import photo_name
from app.queue.submit import submit
from app.store.models import Batch, Run
from app.web.common.received import file_bytes
from app.web.common.refused import Refused
from app.web.common.security import visitor
from app.web.common.services import services

# Files that a batch names with the reason why they were not taken. People read no more of them.
NAMED = 50


def chosen_analyses() -> tuple[str, ...]:
    """The analyses that the form ticks; objects where it ticks none."""
    return tuple(dict.fromkeys(request.form.getlist("analyses"))) or DEFAULT_ANALYSES


def take() -> Run | Batch:
    """Submit what the request's form holds: one photo becomes a run; several, or a ZIP, become a batch.

    Raises:
        NoPhoto: the form holds no file. Whatever reading or submitting a single photo raises; of several, what a
        service that can take none of them raises.
    """
    files = [file for _, several in request.files.lists() for file in several if file.filename]
    if not files:
        raise NoPhoto
    if len(files) == 1 and not _is_archive(files[0]):
        return take_photo(file_bytes(files[0]), files[0].filename or "")
    return _take_batch(files)


def take_photo(data: bytes, name: str, batch: Batch | None = None) -> Run:
    """Check one photo and submit it for this visitor."""
    settings = services().settings
    photo = read_photo(data, max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    batch_id = batch.id if batch else None
    return submit(services(), photo, name=name, analyses=chosen_analyses(), owner=visitor(), batch_id=batch_id)


def _take_batch(files: Sequence[FileStorage]) -> Batch:
    """A batch of all photos that can be read; the other files are noted in it, as `Refused` tells of them."""
    held = services()
    held.jobs.identities(chosen_analyses())
    held.jobs.check_capacity(len(chosen_analyses()))
    batch = held.store.add_batch(visitor(), retention_days=held.settings.retention_days)
    taken, refused = 0, Refused(NAMED)
    for file in files:
        for entry in _entries(file, taken, refused):
            try:
                if entry.error or entry.data is None:
                    raise entry.error or EntryRefused()
                take_photo(entry.data, entry.name, batch)
                taken += 1
            except PublicError as error:
                refused.add(entry.name, error)
    refused.settle(batch, taken)
    return batch


def _entries(file: FileStorage, taken: int, refused: Refused) -> Iterator[Entry]:
    """What a file of the form holds. Once there are enough photos, or far too much else, it is not even opened."""
    settings, name = services().settings, photo_name(file.filename)
    try:
        if taken >= settings.batch_max:
            raise EntryRefused(f"At most {settings.batch_max} photos are taken at a time.")
        if refused.count >= MAX_ENTRIES:
            raise EntryRefused
        if not _is_archive(file):
            yield Entry(name, file_bytes(file))
            return
        yield from read_archive(
            file.stream,
            max_photos=settings.batch_max,
            max_bytes=settings.max_upload_bytes,
            max_total=4 * settings.max_batch_bytes,
            taken=taken,
        )
    except PublicError as error:
        yield Entry(name, error=error)


def _is_archive(file: FileStorage) -> bool:
    head = file.stream.read(4)
    file.stream.seek(0)
    return is_archive(head)
