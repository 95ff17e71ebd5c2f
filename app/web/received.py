"""A photo's bytes out of a request, never more of them than the largest photo has and one: enough to refuse it.

Forms and ZIPs may be many times as large as one photo.
"""

from flask import request
from werkzeug.datastructures import FileStorage

from app.web import services


def file_bytes(file: FileStorage) -> bytes:
    """The bytes of a form's file, for `read_photo` to judge. Raises every error of the body itself."""
    return file.stream.read(_enough())


def body_bytes() -> bytes:
    """The bytes of a raw body, for `read_photo` to judge. Raises every error of the body itself."""
    return request.stream.read(_enough())


def _enough() -> int:
    return services().settings.max_upload_bytes + 1
