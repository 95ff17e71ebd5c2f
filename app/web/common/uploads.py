"""What a page's form sends: one photo or its address, or several photos and ZIPs, one at a time.

The pages of a PDF are photos too.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from flask import request
from werkzeug.datastructures import FileStorage

from app.config.analyses import DEFAULT_ANALYSES
from app.errors import EntryRefused, NoAnalysis, NoPhoto, PublicError
from app.intake import read_photo
from app.intake.archive import MAX_ENTRIES, Entry, is_archive, read_archive
from app.intake.clock import Clock
from app.intake.develop import has_pages, unfolded
from app.intake.names import photo_path
from app.queue.submit import submit
from app.store.models import Batch, Run
from app.web.common.bodies import file_bytes
from app.web.common.limits import count_photos
from app.web.common.rejections import Rejections
from app.web.common.security import visitor
from app.web.common.services import services
from app.web.common.sources import Source

# How many rejected files a batch lists with the reason. Nobody reads more.
MAX_NAMED = 50


def chosen_analyses() -> tuple[str, ...]:
    """The analyses ticked in the form, or the default ones where it offers no choice.

    Raises:
        NoAnalysis: it offers a choice, and nothing is ticked.
    """
    ticked = tuple(dict.fromkeys(request.form.getlist("analyses")))
    if not ticked and "offered" in request.form:
        raise NoAnalysis
    return ticked or DEFAULT_ANALYSES


def submit_form() -> Run | Batch:
    """Submit the files of the request's form: one photo becomes a run; several, a ZIP, or a PDF's pages a batch.

    Raises:
        NoPhoto: the form has no file. For a single photo, every error of reading and submitting it; for a batch, the
        error of a service that was unavailable for all of its photos.
    """
    files = [file for _, several in request.files.lists() for file in several if file.filename]
    return _submit(files)


def submit_address(address: str) -> Run | Batch:
    """Submit the photo at an address of the web, for which `https://` may be left out, as if it had been sent.

    Raises:
        AddressRefused, FetchFailed, Busy: it cannot be fetched. Every error of `submit_form`.
    """
    chosen_analyses()  # Where nothing is ticked, nothing is fetched.
    url = address if "://" in address else f"https://{address}"
    name, data = Source("", url=url).read(services().settings)
    return _submit([FileStorage(BytesIO(data), name)])


def _submit(files: Sequence[FileStorage]) -> Run | Batch:
    if not files:
        raise NoPhoto
    if len(files) == 1 and not _is_archive(files[0]):
        data = file_bytes(files[0])
        if not has_pages(data, max_bytes=services().settings.max_upload_bytes):
            return submit_photo(data, files[0].filename or "")
        files[0].stream.seek(0)
    return _submit_batch(files)


def submit_photo(data: bytes, name: str, batch: Batch | None = None, *, shared: bool = False) -> Run:
    """Check one photo and submit it for this visitor.

    Args:
        shared: as `submit` takes it.

    Raises:
        TooManyRequests, and every error of reading and submitting it.
    """
    settings = services().settings
    count_photos()
    photo = read_photo(data, max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    batch_id = batch.id if batch else None
    options: dict[str, Any] = {"owner": visitor(), "shared": shared, "batch_id": batch_id}
    return submit(services(), photo, name=name, analyses=chosen_analyses(), **options)


def _submit_batch(files: Sequence[FileStorage]) -> Batch:
    """A batch of all photos that can be read. The other files are recorded in it as rejected."""
    store, jobs = services().store, services().jobs
    status = jobs.status()
    status.identities(chosen_analyses())
    jobs.check_capacity(len(chosen_analyses()), status.waiting)
    batch = store.add_batch(visitor(), retention_days=services().settings.retention_days)
    accepted, rejections, clock = 0, Rejections(MAX_NAMED), Clock()
    for file in files:
        for entry in _entries(file, accepted, rejections, clock):
            try:
                submit_photo(entry.content(), entry.name, batch)
                accepted += 1
            except PublicError as error:
                rejections.add(entry.name, error)
    rejections.record(batch, accepted)
    return batch


def _entries(file: FileStorage, accepted: int, rejections: Rejections, clock: Clock) -> Iterator[Entry]:
    """The photos of one form file. It is not opened after the maximum number of photos or of rejected files."""
    settings = services().settings
    left = settings.batch_max - accepted
    limits = {"max_bytes": settings.max_upload_bytes, "max_pixels": settings.max_pixels}
    for entry in _files(file, accepted, rejections, clock):
        for photo in unfolded(entry, max_photos=left, clock=clock, **limits):
            left -= photo.data is not None
            yield photo


def _files(file: FileStorage, accepted: int, rejections: Rejections, clock: Clock) -> Iterator[Entry]:
    """The files in one form file: those of a ZIP, else itself."""
    settings, name = services().settings, photo_path(file.filename)
    try:
        if accepted >= settings.batch_max:
            raise EntryRefused(f"At most {settings.batch_max} photos are taken at a time.")
        if rejections.count >= MAX_ENTRIES:
            raise EntryRefused
        clock.check()
        if not _is_archive(file):
            yield Entry(name, file_bytes(file))
            return
        yield from read_archive(
            file.stream,
            max_photos=settings.batch_max,
            max_bytes=settings.max_upload_bytes,
            max_total=4 * settings.max_batch_bytes,
            taken=accepted,
            clock=clock,
        )
    except PublicError as error:
        yield Entry(name, error=error)


def _is_archive(file: FileStorage) -> bool:
    head = file.stream.read(4)
    file.stream.seek(0)
    return is_archive(head)
