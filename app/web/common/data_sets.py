"""Adding to data sets what a request holds, and data sets as files."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO

from flask import Response, request, send_file

from app.datasets.check import Checked, Limits, check, checked_photo
from app.datasets.errors import DataError
from app.datasets.read import read_folder
from app.datasets.truth import class_name, from_box
from app.datasets.write import write
from app.errors import BadRequest, NoPhoto
from app.intake.archive import MAX_ENTRIES, is_archive, unpack
from app.intake.names import photo_path
from app.intake.photo import Photo
from app.store.models import Run
from app.vision.analyses.objects.correction import Corrected
from app.vision.export.names import safe_name
from app.web.common.costs import exporting, spend
from app.web.common.services import services

# Bytes of all files of one ZIP, unpacked, in units of MAX_BATCH_MB, as for photos.
UNPACKED = 4
ADDRESS = re.compile(r"(?:^|/)(runs|batches)/([A-Za-z0-9_-]{22})(?![A-Za-z0-9_-])")


@dataclass(frozen=True)
class Addition:
    """What became of files. added: new photos; updated: photos that were there already; problems: what was left out."""

    added: int
    updated: int
    problems: list[str]


def add_files(id: str) -> Addition:
    """Add the labelled photos of the request to a data set: a ZIP, or the files of a folder.

    Raises:
        NotFound: there is no such data set. NoPhoto: nothing was sent. DataError: none of it can be used.
    """
    store = services().store.data_sets
    store.get(id)
    settings = services().settings
    with _folder() as (folder, refused):
        found = read_folder(folder)
        photos, problems = check(found, Limits(settings.max_upload_bytes, settings.max_pixels))
        problems = refused + problems
        if not photos:
            raise DataError("None of these photos can be used.", problems)
        added = store.add(id, photos)
    return Addition(added, len(photos) - added, problems)


def add_runs(id: str, runs: Iterable[Run]) -> Addition:
    """Add the photos of runs that a person has checked, as they were corrected; of the same photo the last one counts.

    Raises NotFound: there is no such data set.
    """
    store = services().store
    store.data_sets.get(id)
    photos, problems = {}, []
    for run in runs:
        corrected = store.corrected(run.id)
        if corrected is None or not corrected.checked:
            problems.append(f"{run.name}: nobody has checked this photo")
        else:
            photos[run.photo_sha256] = _of_run(run, corrected)
    added = store.data_sets.add(id, list(photos.values()))
    return Addition(added, len(photos) - added, problems)


def named_runs(address: str) -> Sequence[Run]:
    """The run, or the runs of the batch, that an address leads to. Raises NotFound, BadRequest."""
    store, named = services().store, ADDRESS.search(address)
    if named is None:
        raise BadRequest("This is not the address of a photo or a batch of this service.")
    if named[1] == "runs":
        return [store.get_run(named[2])]
    store.get_batch(named[2])
    return store.batch_runs(named[2])


def _of_run(run: Run, corrected: Corrected) -> Checked:
    load, row = partial(services().store.photo_bytes, run.photo_sha256), run.photo
    photo = Photo(load(), row.sha256, row.md5, row.format, row.width, row.height)
    size = (row.height, row.width)
    truths = tuple(replace(from_box(each.name, each.box, size), mask=each.mask) for each in corrected.objects)
    return checked_photo(run.name, photo, truths, load)


def export_response(id: str, format: str) -> Response:
    """A data set as one ZIP.

    Raises NotFound; BadRequest: there is no such format. BudgetUsedUp, Busy: too much was asked for. CallerGone.
    """
    store = services().store.data_sets
    summary = store.summary(id)
    examples = list(store.examples(id, _counted_photo))
    classes = sorted({truth.name for example in examples for truth in example.truths})
    with exporting():
        file = write(examples, classes, format, safe_name(summary.data_set.name))
    response = send_file(file.file, mimetype=file.media_type, as_attachment=True, download_name=file.name)
    response.content_length = file.size
    return response


def _counted_photo(sha256: str) -> bytes:
    """A photo that goes into an export as it is: its bytes are counted, not its pixels."""
    data = services().store.photo_bytes(sha256)
    spend(len(data))
    return data


def checked_class(name: str) -> str:
    """A class's name as it is kept. Raises BadRequest."""
    try:
        return class_name(name)
    except ValueError as error:
        raise BadRequest("A class needs a name of at most 80 characters.") from error


@contextmanager
def _folder() -> Iterator[tuple[Path, list[str]]]:
    """The request's files in a folder of their own, and one sentence for each that was refused."""
    with tempfile.TemporaryDirectory(prefix="data-set-") as name:
        folder, refused = Path(name), []
        for path, stream in _files():
            head = stream.read(4)
            stream.seek(0)
            if is_archive(head):
                refused += _unpacked(stream, folder)
            else:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(stream.read())
        yield folder, refused


def _unpacked(stream: IO[bytes], folder: Path) -> list[str]:
    settings = services().settings
    most = UNPACKED * settings.max_batch_bytes
    entries = unpack(stream, folder, max_bytes=most, max_total=most)
    return [f"{entry.name}: {entry.error.message if entry.error else ''}" for entry in entries]


def _files() -> Iterator[tuple[str, IO[bytes]]]:
    """The files of a form, or the raw body as the only one. Raises NoPhoto."""
    if request.mimetype != "multipart/form-data":
        data = request.stream.read()
        if not data:
            raise NoPhoto("Nothing was sent. Choose a ZIP or a folder.")
        yield "body.zip", BytesIO(data)
        return
    files = [file for _, several in request.files.lists() for file in several if file.filename]
    if not files:
        raise NoPhoto("Nothing was sent. Choose a ZIP or a folder.")
    if len(files) > MAX_ENTRIES:
        raise BadRequest(f"At most {MAX_ENTRIES:,} files are taken at a time.")
    for file in files:
        yield photo_path(file.filename), file.stream
