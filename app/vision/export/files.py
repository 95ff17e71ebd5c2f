"""The files that exports become: kept in memory while small, else on disk; with names that are safe everywhere."""

import re
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final

from app.vision.export.items import ExportItem

_IN_MEMORY = 4 * 1024 * 1024
_CHUNK = 64 * 1024
_LONGEST = 100  # Bytes of a name without its extension: file systems allow 255 with all that is added.
_RESERVED: Final = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}
ZIP: Final = "application/zip"
JSON: Final = "application/json"


@dataclass(frozen=True)
class ExportFile:
    """An export, ready to send. file: open for reading at its start; whoever gets this closes it."""

    name: str
    media_type: str
    file: IO[bytes]

    @property
    def size(self) -> int:
        """Length in bytes."""
        place = self.file.tell()
        size = self.file.seek(0, 2)
        self.file.seek(place)
        return size

    def chunks(self) -> Iterator[bytes]:
        """The content piece by piece; the file is closed at the end."""
        with self.file:
            while data := self.file.read(_CHUNK):
                yield data

    def read(self) -> bytes:
        """The whole content; the file is closed."""
        return b"".join(self.chunks())


@contextmanager
def spool() -> Iterator[IO[bytes]]:
    """A temporary file to write an export to; closed only if that fails, else left at its start."""
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  Lives on in the ExportFile.
    try:
        yield file
        file.seek(0)
    except BaseException:
        file.close()
        raise


def single(name: str, media_type: str, content: bytes) -> ExportFile:
    """An export that is one small file."""
    with spool() as file:
        file.write(content)
    return ExportFile(name, media_type, file)


def archive(name: str, entries: Iterator[tuple[str, bytes]], *, compress: bool = True) -> ExportFile:
    """A ZIP of (path, content), written as they come."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with spool() as file, zipfile.ZipFile(file, "w", method) as target:
        for path, content in entries:
            target.writestr(path, content)
    return ExportFile(name, ZIP, file)


def base_name(items: Sequence[ExportItem]) -> str:
    """What to call an export: after its photo, or `detections` when there are several."""
    return PurePosixPath(safe_name(items[0].name)).stem if len(items) == 1 else "detections"


def unique_names(items: Sequence[ExportItem]) -> list[str]:
    """A safe file name for each photo, no two with the same stem, whatever the case of their letters."""
    used: set[str] = set()
    names = []
    for item in items:
        path = PurePosixPath(safe_name(item.name))
        stem, n = path.stem, 1
        while stem.casefold() in used:
            n += 1
            stem = f"{path.stem}_{n}"
        used.add(stem.casefold())
        names.append(stem + path.suffix)
    return names


def safe_name(name: str) -> str:
    """A name that is one file in any folder of any system: no path, no control characters, nothing reserved."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join("_" if c in '<>:"|?*' or (unicodedata.category(c)[0] in "CZ" and c != " ") else c for c in name)
    path = PurePosixPath(re.sub(r"\s+", " ", name).strip(" ."))
    suffix = path.suffix if re.fullmatch(r"\.\w{1,8}", path.suffix, re.ASCII) else ""
    stem = path.name.removesuffix(suffix) if suffix else path.name
    stem = stem.encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore").strip(" .")
    if stem.split(".")[0].strip().casefold() in _RESERVED:
        stem = f"_{stem}"
    return (stem or "photo") + suffix
