"""The files that exports become: kept in memory while small, else on disk."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from app.errors import PublicError

_IN_MEMORY = 4 * 1024 * 1024
# Bytes of one export: cut-outs of large photos could fill the disk.
MAX_SIZE: Final = 1024 * 1024 * 1024
_CHUNK = 64 * 1024
ZIP: Final = "application/zip"
JSON: Final = "application/json"


class ExportTooLarge(PublicError):
    status, code = 422, "export-too-large"
    message = "This export is larger than 1 GB, the maximum. Ask for fewer classes, or a higher threshold."


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
    """A ZIP of (path, content), written as they come. Raises ExportTooLarge."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with spool() as file, zipfile.ZipFile(file, "w", method) as target:
        for path, content in entries:
            target.writestr(path, content)
            if file.tell() > MAX_SIZE:
                raise ExportTooLarge
    return ExportFile(name, ZIP, file)


def zip_stream(entries: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
    """A ZIP of (path, content), uncompressed, as pieces: one for each entry, and the table of contents."""
    window = _Window()
    with zipfile.ZipFile(window, "w", zipfile.ZIP_STORED) as target:
        for path, content in entries:
            target.writestr(path, content)
            yield window.take()
    yield window.take()


class _Window(io.BytesIO):
    """A file of which only the part that was not taken yet is kept: the sizes of an entry are written before it."""

    def __init__(self) -> None:
        super().__init__()
        self._taken = 0

    def take(self) -> bytes:
        """What was written since the last time."""
        data = self.getvalue()
        self._taken += len(data)
        super().seek(0)
        self.truncate()
        return data

    def tell(self) -> int:
        return self._taken + super().tell()

    def seek(self, place: int, whence: int = 0) -> int:
        return self._taken + super().seek(place - self._taken if whence == 0 else place, whence)
