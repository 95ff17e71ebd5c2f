"""The photos of a request, whether sent as form files, as a raw body, or as JSON with a URL or base64."""

import base64
import binascii
import hashlib
import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

from flask import Request, current_app, json

from app.config.settings import Settings
from app.errors import BadRequest, FetchFailed, NoPhoto
from app.web.common.bodies import body_bytes, json_bytes
from app.web.common.inputs import CreateForm, CreateJson, validated
from app.web.common.services import services
from app.web.common.waiting import thread_slots

if TYPE_CHECKING:
    from app.intake.address import Guard

DATA_URL = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
# The other alphabet's digits in the usual one; white space is left out.
_PLAIN_BASE64 = str.maketrans("-_", "+/", string.whitespace)
LOOKUP_SECONDS = 5.0
TOO_MANY_FETCHES = "Too many addresses are being fetched at the moment. Try again in a moment."
CHUNK = 1024 * 1024  # bytes of a file hashed at a time


@dataclass(frozen=True)
class Source:
    """One photo as it was sent: a file, or the URL to fetch it from."""

    name: str
    file: IO[bytes] = field(default_factory=BytesIO, repr=False)
    url: str | None = None

    def fingerprint(self) -> str:
        """Equal for equal photos: the URL, or the SHA-256 of the file."""
        if self.url is not None:
            return f"url {self.url}"
        digest = hashlib.sha256()
        self.file.seek(0)
        while chunk := self.file.read(CHUNK):
            digest.update(chunk)
        return digest.hexdigest()

    def read(self, settings: Settings) -> tuple[str, bytes]:
        """Name and bytes; of a file at most one byte more than the limit. Fetches the URL where there is one.

        Raises:
            AddressRefused, FetchFailed, UploadTooLarge. Busy: too many addresses are being fetched.
        """
        if self.url is None:
            self.file.seek(0)
            return self.name, self.file.read(settings.max_upload_bytes + 1)
        # An HTTP client is loaded for the first address.
        from app.intake.address import photo_guard
        from app.intake.fetch import fetch_photo

        limits: dict[str, Any] = {"timeout": settings.url_timeout, "max_bytes": settings.max_upload_bytes}
        with thread_slots().fetches.required(TOO_MANY_FETCHES):
            name, data = fetch_photo(self.url, **limits, guard=_guard(photo_guard))
        return self.name or name, data


def check_webhook(url: str | None) -> str | None:
    """A webhook's URL if it leads to a server that may be reached now. Every delivery is checked again.

    Raises:
        AddressRefused: it does not. FetchFailed: its host is unknown. Busy: too many addresses are being looked up.
    """
    if url is None:
        return None
    from app.intake.address import port_of, webhook_guard  # As in `Source.read`.

    guard = _guard(webhook_guard)
    parsed = guard.parse(url)
    try:
        with thread_slots().fetches.required(TOO_MANY_FETCHES):
            guard.addresses(parsed.host, port_of(parsed), LOOKUP_SECONDS)
    except OSError as error:
        raise FetchFailed("The server of this webhook cannot be found.") from error
    return str(parsed)


def read_request(request: Request, default_name: str | None) -> tuple[list[Source], dict[str, Any]]:
    """The photos of a request, and the options in its body.

    Args:
        default_name: file name for a raw body.

    Raises:
        NoPhoto: there is none. BadRequest, InvalidRequest: the JSON or the options are malformed.
        Every error of the body itself (`app/intake/body.py`).
    """
    media_type = request.mimetype
    if media_type == "application/json" or media_type.endswith("+json"):
        return _from_json(request)
    if media_type == "multipart/form-data":
        return _from_form(request)
    data = body_bytes()
    if not data:
        raise NoPhoto
    return [Source(default_name or "photo", BytesIO(data))], {}


def decode_base64(text: str) -> bytes:
    """Bytes of base64 text in either alphabet; a data URL's prefix, line breaks and missing padding are accepted.

    Raises:
        BadRequest: it is not base64.
    """
    # A step at a time on one name: there is never more than one copy of a large text beside it.
    text = DATA_URL.sub("", text, count=1) if text[:5].lower() == "data:" else text
    text = text.translate(_PLAIN_BASE64).rstrip("=")
    text += "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest("The image is not base64.") from error


def _guard(make: "Callable[[Settings], Guard]") -> "Guard":
    """Decides which addresses may be connected to. Tests put their own into the application."""
    guard: Guard | None = current_app.extensions.get("address_guard")
    return guard or make(services().settings)


def _from_json(request: Request) -> tuple[list[Source], dict[str, Any]]:
    try:
        values = json.loads(json_bytes())
    except ValueError as error:
        raise BadRequest from error
    if not isinstance(values, dict):
        raise BadRequest("The JSON body must be an object.")
    body = validated(CreateJson, values)
    options = body.model_dump(include=set(CreateForm.model_fields), exclude_none=True)
    if (body.url is None) == (body.image is None):
        raise NoPhoto("Send either `url` or `image`.")
    if body.url is not None:
        return [Source(body.name or "", url=body.url)], options
    data = decode_base64(body.image or "")
    if not data:
        raise NoPhoto
    return [Source(body.name or "photo", BytesIO(data))], options


def _from_form(request: Request) -> tuple[list[Source], dict[str, Any]]:
    files = [file for _, file in request.files.items(multi=True) if file.filename]
    sources = [Source(file.filename or "photo", file.stream) for file in files]
    fields = {name: values if len(values) > 1 else values[0] for name, values in request.form.lists()}
    options = validated(CreateForm, fields).model_dump(exclude_none=True)
    if not sources:
        raise NoPhoto
    return sources, options
