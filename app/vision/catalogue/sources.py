"""Where a file of weights can be had: the mirrors of WEIGHTS_MIRROR first, then where the catalogue says.

A mirror keeps each file under the path that it has at its first source: `https://download.pytorch.org/models/a.pth` is
`https://mirror.example/weights/models/a.pth` in the mirror `https://mirror.example/weights`.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.config.checks import split
from app.config.settings import ROOT, Settings
from app.system.s3 import signed_url
from app.vision.catalogue.models import Model

# What asks S3 for a file, by the method of HTTP.
OPERATIONS = {"GET": "get_object", "HEAD": "head_object"}


class SourceError(Exception):
    """A source that does not give a file; the message is a clause that names it."""


def sources(model: Model, settings: Settings) -> list[str]:
    """The places of a model's file in the order in which they are tried: addresses, or paths in a mirror's folder."""
    if not model.sources:
        return []
    path = urlsplit(model.sources[0]).path
    return [*(mirror.rstrip("/") + path for mirror in split(settings.weights_mirror)), *model.sources]


def place(source: str) -> str:
    """What people call a source: its host, bucket or folder. The address may hold a password."""
    parts = urlsplit(source)
    if parts.scheme in ("http", "https"):
        return parts.hostname or source
    return f"s3://{parts.netloc}" if parts.scheme == "s3" else str(Path(source).parent)


def local_path(source: str) -> Path | None:
    """The file of a source that is a folder's; a relative path counts from the project's root."""
    return None if "://" in source else ROOT / unquote(source)


def address(source: str, settings: Settings, method: str = "GET") -> str:
    """The address of a source that is not a folder. Raises SourceError."""
    parts = urlsplit(source)
    if parts.scheme != "s3":
        return source
    try:
        return signed_url(
            parts.netloc,
            unquote(parts.path).lstrip("/"),
            OPERATIONS[method],
            endpoint=settings.s3_endpoint_url,
            region=settings.s3_region,
            key_id=settings.s3_access_key_id,
            secret=settings.s3_secret_access_key,
        )
    except ValueError as error:
        raise SourceError(f"{place(source)} cannot be asked ({error})") from error
