"""Runs as files to be saved: in other tools' formats, and what pictures of them are called."""

from collections.abc import Sequence
from functools import partial
from pathlib import PurePosixPath

from flask import Response, request, send_file

from app.intake.names import photo_name
from app.queue.run_json import view_of
from app.store.models import Run
from app.vision.export import ExportItem, export
from app.vision.view import EXTENSIONS, WHICH, View
from app.web.common.services import services


def export_response(runs: Sequence[Run], format: str, view: View) -> Response:
    """What a view selects of finished runs, as an attachment.

    Raises:
        BadRequest: there is no such format.
    """
    file = export([_item(run) for run in runs], format, view)
    response = send_file(file.file, mimetype=file.media_type, as_attachment=True, download_name=file.name)
    response.content_length = file.size
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def exported(runs: Sequence[Run]) -> Response:
    """The file that a page's address asks for, of finished runs that were sent together, and so asked for the same.

    As for the picture, what they asked for counts where the address names neither threshold nor classes.

    Raises:
        BadRequest: there is no such format, or a value of the view cannot be understood.
    """
    args = request.args.to_dict(flat=False)
    format = args.pop("format", ["coco"])[-1]
    if any(name in args for name in WHICH):
        args.setdefault("classes", [])
    return export_response(runs, format, view_of(runs[0], args, services().settings.threshold))


def picture_name(run: Run, view: View) -> str:
    """`detected_<name>`, with an ending that is true of the view's format."""
    return f"detected_{named_as(photo_name(run.name), view.format)}"  # older runs have kept what they were sent


def named_as(name: str, format: str) -> str:
    """A file's name, with another ending where its own is not one of the format's."""
    path = PurePosixPath(name)
    return name if path.suffix.lower() in EXTENSIONS[format] else path.stem + EXTENSIONS[format][0]


def _item(run: Run) -> ExportItem:
    store = services().store
    photo = run.photo
    return ExportItem(
        run.name,
        partial(store.photo_bytes, run.photo_sha256),
        photo.width,
        photo.height,
        partial(store.results, run),
    )
