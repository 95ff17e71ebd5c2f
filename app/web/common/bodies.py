"""Request bodies: limits on all of them, and the bytes of a photo, read only as far as needed to refuse a larger one.

Forms and ZIPs may be many times larger than one photo.
"""

from typing import Any

from flask import Flask, json, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.datastructures import FileStorage

from app.config.settings import Settings
from app.errors import BadRequest
from app.intake.body import CheckedBody
from app.web.common.inputs import InvalidRequest, M, validated
from app.web.common.services import services

# Lists, objects and commas in the JSON of a request; parsed, each may take a hundred times its bytes.
MAX_VALUES = 10_000
CHUNK = 256 * 1024


class TooManyValues(InvalidRequest):
    message = "This JSON has far more values than a request here can need."


class JsonProvider(DefaultJSONProvider):
    """Flask's own, but JSON that is nested too deeply is malformed (status 400) instead of an unexpected error."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON. Raises ValueError."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def init_app(app: Flask) -> None:
    """Limit the bodies of an application's requests as its settings say, and read their JSON by `JsonProvider`."""
    app.json = JsonProvider(app)
    check_bodies(app, app.extensions["services"].settings)


def check_bodies(app: Flask, settings: Settings) -> None:
    """Put the limits of the settings on the body of every request to an application."""
    app.wsgi_app = CheckedBody(  # type: ignore[method-assign]
        app.wsgi_app,
        max_bytes=settings.max_upload_bytes,
        max_batch_bytes=settings.max_batch_bytes,
        timeout=settings.upload_timeout,
    )


def file_bytes(file: FileStorage) -> bytes:
    """The bytes of a form's file, for `read_photo` to check. Raises every error of the body itself."""
    return file.stream.read(_max_bytes())


def body_bytes() -> bytes:
    """The bytes of a raw body, or of a form's only file, for `read_photo` to check; none where nothing was sent.

    Raises BadRequest for a form with several files, and every error of the body itself.
    """
    if request.mimetype != "multipart/form-data":
        return request.stream.read(_max_bytes())
    files = [file for _, file in request.files.items(multi=True)]
    if len(files) > 1:
        raise BadRequest("Send one file at a time.")
    return file_bytes(files[0]) if files else b""


def json_bytes(max_values: int = MAX_VALUES) -> bytes:
    """A body of JSON, not parsed yet. Raises TooManyValues for one that would become too many values."""
    pieces, count = [], 0
    while piece := request.stream.read(CHUNK):
        pieces.append(piece)
        count += sum(piece.count(mark) for mark in (b"[", b"{", b","))
        if count > max_values:
            raise TooManyValues
    return b"".join(pieces)


def read_json(model: type[M], max_values: int = MAX_VALUES) -> M:
    """A body of JSON as a model. Raises TooManyValues, InvalidRequest."""
    data = json_bytes(max_values)
    try:
        values = json.loads(data)
    except ValueError as error:
        raise BadRequest("This is not valid JSON.") from error
    return validated(model, values)


def _max_bytes() -> int:
    return services().settings.max_upload_bytes + 1
