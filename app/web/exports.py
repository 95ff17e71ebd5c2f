"""Runs as files of other tools' formats, sent to be saved."""

from collections.abc import Sequence
from functools import partial

from flask import Response, send_file

from app.store.models import Run
from app.vision.export import ExportItem, export
from app.vision.view import View
from app.web import services


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
