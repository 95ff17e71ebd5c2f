"""Runs as files in other tools' formats, and the file names of pictures."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath

from flask import Response, request, send_file

from app.intake.names import photo_path
from app.queue.run_json import view_of
from app.store.models import Run
from app.vision.export import ExportItem, export
from app.vision.results import Analysed
from app.vision.view import EXTENSIONS, FILTERS, View
from app.web.common.costs import check_listening, exporting, spend
from app.web.common.services import services


def export_response(runs: Sequence[Run], format: str, view: View) -> Response:
    """What a view selects of finished runs, as an attachment.

    Raises:
        BadRequest: there is no such format. BudgetUsedUp, Busy: too much was asked for. CallerGone.
    """
    with exporting():
        file = export([_item(run, view) for run in runs], format, view)
    response = send_file(file.file, mimetype=file.media_type, as_attachment=True, download_name=file.name)
    response.content_length = file.size
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def export_requested(runs: Sequence[Run]) -> Response:
    """The export that a page's query asks for, of finished runs that were sent together with the same options.

    Where the query names neither threshold nor classes, those of the runs' own options apply, as for the picture.

    Raises:
        BadRequest: there is no such format, or a value of the view is malformed.
    """
    args = request.args.to_dict(flat=False)
    format = args.pop("format", ["coco"])[-1]
    if any(name in args for name in FILTERS):
        args.setdefault("classes", [])
    return export_response(runs, format, view_of(runs[0], args, services().settings.threshold))


def picture_name(run: Run, view: View) -> str:
    """`detected_<name>`, with a suffix of the view's format."""
    return picture_path(run, view).rpartition("/")[2]


def picture_path(run: Run, view: View) -> str:
    """The same in the folders that the photo was sent in."""
    folder, slash, name = _path(run).rpartition("/")
    return f"{folder}{slash}detected_{with_suffix(name, view.format)}"


def with_suffix(name: str, format: str) -> str:
    """A file name with a suffix of the format; one that it has already stays."""
    path = PurePosixPath(name)
    return name if path.suffix.lower() in EXTENSIONS[format] else path.stem + EXTENSIONS[format][0]


def _path(run: Run) -> str:
    return photo_path(run.name)  # Older runs keep the name as it was sent.


def _item(run: Run, view: View) -> ExportItem:
    store, photo = services().store, run.photo

    def results() -> Mapping[str, Analysed]:
        check_listening()
        return store.results_from(run, view.source)

    data = partial(store.photo_bytes, run.photo_sha256)
    return ExportItem(_path(run), data, photo.width, photo.height, results, spend)
