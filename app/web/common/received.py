"""A photo's bytes out of a request, never more of them than the largest photo has and one: enough to refuse it.

Forms and ZIPs may be many times as large as one photo.
"""

from flask import Flask, request
from werkzeug.datastructures import FileStorage

from app.config.settings import Settings
from app.intake.body import CheckedBody
from app.web.common.services import services


def check_bodies(app: Flask, settings: Settings) -> None:
    """Check the body of every request to an application as the settings say."""
    app.wsgi_app = CheckedBody(  # type: ignore[method-assign]
        app.wsgi_app,
        max_bytes=settings.max_upload_bytes,
        max_batch_bytes=settings.max_batch_bytes,
        timeout=settings.upload_timeout,
    )


def file_bytes(file: FileStorage) -> bytes:
    """The bytes of a form's file, for `read_photo` to judge. Raises every error of the body itself."""
    return file.stream.read(_enough())


def body_bytes() -> bytes:
    """The bytes of a raw body, for `read_photo` to judge. Raises every error of the body itself."""
    return request.stream.read(_enough())


def _enough() -> int:
    return services().settings.max_upload_bytes + 1
