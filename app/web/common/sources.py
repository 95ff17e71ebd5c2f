"""The photos of a request, however they were sent: multipart files, a raw body, or JSON with an address or base64."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any, TypeVar

from flask import Request, current_app
from pydantic import BaseModel, ValidationError

from app.config.settings import Settings
from app.errors import BadRequest, FetchFailed, NoPhoto
from app.intake import fetch
from app.intake.address import Guard, port_of
from app.web.api.problems import InvalidRequest
from app.web.common.inputs import CreateForm, CreateJson
from app.web.common.received import body_bytes
from app.web.common.waiting import waiting_room

M = TypeVar("M", bound=BaseModel)
DATA_URL = re.compile(r"data:[^,]{0,200},", re.IGNORECASE)
LOOKUP_SECONDS = 5.0
CROWDED = "Too many web addresses are being visited from here. Try again in a moment."
# Bytes of a file that are hashed at a time.
STEP = 1024 * 1024


@dataclass(frozen=True)
class Source:
    """One photo as it was sent: a file, read when its turn comes, or the address to fetch it from."""

    name: str
    file: IO[bytes] = field(default_factory=BytesIO, repr=False)
    url: str | None = None

    @property
    def print(self) -> str:
        """What makes two of them the same."""
        if self.url is not None:
            return f"url {self.url}"
        digest = hashlib.sha256()
        self.file.seek(0)
        while piece := self.file.read(STEP):
            digest.update(piece)
        return digest.hexdigest()

    def read(self, settings: Settings) -> tuple[str, bytes]:
        """Name and bytes, of a file one byte more than the limit at most; fetches where there is an address.

        Raises:
            AddressRefused, FetchFailed, UploadTooLarge. Busy: too many addresses are being fetched.
        """
        if self.url is None:
            self.file.seek(0)
            return self.name, self.file.read(settings.max_upload_bytes + 1)
        limits: dict[str, Any] = {"timeout": settings.url_timeout, "max_bytes": settings.max_upload_bytes}
        with waiting_room().fetches.needed(CROWDED):
            name, data = fetch.fetch_photo(self.url, **limits, guard=guard())
        return self.name or name, data


def guard() -> Guard:
    """What addresses from outside may be connected to. Tests put their own into the application."""
    found: Guard = current_app.extensions.get("address_guard") or Guard()
    return found


def check_webhook(url: str | None) -> str | None:
    """A webhook's address if it leads to a public server now (every delivery is judged again).

    Raises:
        AddressRefused: it does not. FetchFailed: its name is unknown. Busy: too many addresses are being looked up.
    """
    if url is None:
        return None
    parsed = guard().parse(url)
    try:
        with waiting_room().fetches.needed(CROWDED):
            guard().addresses(parsed.host, port_of(parsed), LOOKUP_SECONDS)
    except OSError as error:
        raise FetchFailed("The server of this webhook cannot be found.") from error
    return str(parsed)


def read_request(request: Request, default_name: str | None) -> tuple[list[Source], dict[str, Any]]:
    """The photos of a request, and the options in its body.

    Args:
        default_name: file name of a raw body.

    Raises:
        NoPhoto: there is none. BadRequest, InvalidRequest: the JSON or the options are not usable.
        Every error of the body itself (`app/intake/body.py`).
    """
    kind = request.mimetype
    if kind == "application/json" or kind.endswith("+json"):
        return _from_json(request)
    if kind == "multipart/form-data":
        return _from_form(request)
    data = body_bytes()
    if not data:
        raise NoPhoto
    return [Source(default_name or "photo", BytesIO(data))], {}


def decode_base64(text: str) -> bytes:
    """Bytes of base64 text in either alphabet; a data URL's head, line breaks and missing padding are fine.

    Raises:
        BadRequest: it is not base64.
    """
    text = re.sub(r"\s+", "", DATA_URL.sub("", text, count=1) if text[:5].lower() == "data:" else text)
    text = text.translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest("The image is not base64.") from error


def checked(model: type[M], values: Any) -> M:
    """The values as a model. Raises InvalidRequest."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error


def _from_json(request: Request) -> tuple[list[Source], dict[str, Any]]:
    values = request.get_json()
    if not isinstance(values, dict):
        raise BadRequest("The JSON body must be an object.")
    body = checked(CreateJson, values)
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
    values = {name: found if len(found) > 1 else found[0] for name, found in request.form.lists()}
    options = checked(CreateForm, values).model_dump(exclude_none=True)
    if not sources:
        raise NoPhoto
    return sources, options
