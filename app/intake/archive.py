"""Photos from a ZIP, one at a time. Each file is checked by itself: a rejected one does not stop the others.

The sizes in the ZIP are not trusted. For photos nothing is unpacked to disk; `unpack`, for data sets, writes files
below one folder, under names made safe.
"""

import contextlib
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.errors import BrokenArchive, EntryRefused, NoPhoto, PublicError, UploadTooLarge
from app.intake.clock import Clock
from app.intake.formats import sniff
from app.intake.names import photo_path

# Limits of the table of contents, which is read into memory as a whole: its bytes and its files.
MAX_DIRECTORY = 4 * 1024 * 1024
MAX_ENTRIES = 10_000
# Deflate reaches 1032 to 1 on zeros; photos, even uncompressed ones, stay far below this.
MAX_RATIO = 200
_SMALL = 1024 * 1024
_STEP = 64 * 1024
_TAKEN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1 | 0x40
_IS_UTF8 = 0x800
_UNICODE_PATH, _EXTRA_HEAD = 0x7075, 4
# Files that operating systems add.
_CLUTTER = re.compile(r"(^|/)(__MACOSX/|\._[^/]*$|\.DS_Store$|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_TRICK = re.compile(r"^[/~]|^[a-z]:|(^|/)\.\.(/|$)|[\0-\x1f\x7f]", re.IGNORECASE)
_ARCHIVES = (b"PK\3\4", b"PK\5\6", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh", b"MSCF")
DAMAGED = "This file is damaged inside the ZIP and cannot be opened."
# What `zipfile` and the libraries under it raise on damaged files.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True)
class Entry:
    """A file of a ZIP: its path, and either its bytes, which begin like a photo's, or why it was refused."""

    name: str
    data: bytes | None = None
    error: PublicError | None = None

    def content(self) -> bytes:
        """The bytes. Raises the error where there is one."""
        if self.error or self.data is None:
            raise self.error or EntryRefused()
        return self.data


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a ZIP."""
    return head.startswith((b"PK\3\4", b"PK\5\6"))


def read_archive(
    source: bytes | IO[bytes],
    *,
    max_photos: int,
    max_bytes: int,
    max_total: int,
    taken: int = 0,
    clock: Clock | None = None,
) -> Iterator[Entry]:
    """The files of a ZIP in its order. Folders, and what macOS and Windows add for themselves, are passed over.

    Args:
        source: the ZIP, as bytes or as a seekable file.
        max_photos: maximum number of photos; further files are rejected without unpacking them.
        max_bytes: maximum size of one photo, unpacked.
        max_total: maximum size of all photos together, unpacked.
        taken: number of photos accepted before this ZIP, which count too.
        clock: when its time is over, further files are rejected without unpacking them.

    Raises:
        BrokenArchive: its table of contents cannot be read, or lists more than MAX_ENTRIES files.
    """
    archive = _open(source)
    photos, total = taken, 0
    for info in archive.infolist():
        path = _path(info)
        if path.endswith("/") or _CLUTTER.search(path):
            continue
        name = photo_path(path)
        try:
            if photos >= max_photos:
                raise EntryRefused(f"At most {max_photos} photos are taken at a time.")
            if clock is not None:
                clock.check()
            _check(info, path, max_bytes)
            data = _read(archive, info, min(max_bytes, max_total - total), max_bytes)
        except PublicError as error:
            yield Entry(name, error=error)
        else:
            photos, total = photos + 1, total + len(data)
            yield Entry(name, data)
            del data


def unpack(source: IO[bytes], folder: Path, *, max_bytes: int, max_total: int) -> list[Entry]:
    """Write the files of a ZIP into a folder, in their sub-folders; returns those that were refused, with the reasons.

    Args:
        max_bytes: maximum size of one file, unpacked; max_total: of all files together.

    Raises:
        BrokenArchive: its table of contents cannot be read, or lists more than MAX_ENTRIES files.
    """
    archive, refused, total = _open(source), [], 0
    for info in archive.infolist():
        path = _path(info)
        if path.endswith("/") or _CLUTTER.search(path):
            continue
        name = photo_path(path)
        try:
            _check(info, path, max_bytes, empty=True)
            total += _write(archive, info, folder / name, min(max_bytes, max_total - total), max_bytes)
        except PublicError as error:
            refused.append(Entry(name, error=error))
    return refused


class _Contents(io.BufferedIOBase):
    """A file of which at most MAX_DIRECTORY bytes can be read at a time, which limits a ZIP's table of contents."""

    def __init__(self, file: IO[bytes]):
        self.file = file

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = MAX_DIRECTORY
        if size > MAX_DIRECTORY:
            raise zipfile.BadZipFile("too large a table of contents")
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _open(source: bytes | IO[bytes]) -> zipfile.ZipFile:
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        archive = zipfile.ZipFile(_Contents(file))
    except _DAMAGE as error:
        raise BrokenArchive() from error
    if len(archive.infolist()) > MAX_ENTRIES:
        raise BrokenArchive(f"This ZIP holds more than {MAX_ENTRIES:,} files. Send the photos in smaller parts.")
    return archive


def _path(info: zipfile.ZipInfo) -> str:
    """The name as stored. macOS writes UTF-8 without the flag that says so, some tools of Windows write backslashes."""
    name = info.orig_filename
    if not info.flag_bits & _IS_UTF8:
        with contextlib.suppress(UnicodeError):
            raw = name.encode("cp437")
            name = (_unicode_path(info.extra, raw) or raw).decode("utf-8")
    return name.replace("\\", "/")


def _unicode_path(extra: bytes, raw: bytes) -> bytes | None:
    """The name in UTF-8 from the extra field that Info-ZIP and 7-Zip write (APPNOTE, 4.6.9); None without one.

    It counts only as long as it belongs to the name beside it, which an older tool may have changed.
    """
    while len(extra) >= _EXTRA_HEAD:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[_EXTRA_HEAD : _EXTRA_HEAD + size], extra[_EXTRA_HEAD + size :]
        if kind == _UNICODE_PATH and field[:5] == b"\1" + struct.pack("<I", zlib.crc32(raw)):
            return field[5:]
    return None


def _check(info: zipfile.ZipInfo, path: str, max_bytes: int, *, empty: bool = False) -> None:
    """Reject what can be rejected without unpacking. empty: files without content are taken."""
    if _TRICK.search(path):
        raise EntryRefused("This file's name points outside of the ZIP, so it was not opened.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise EntryRefused("This is a link or a device and not a file, so it was not opened.")
    if info.flag_bits & _ENCRYPTED:
        raise EntryRefused("This file is protected by a password. Send it without one.")
    if info.compress_type not in _TAKEN:
        raise EntryRefused("This file is packed in an unusual way. Make the ZIP with the usual settings.")
    if info.file_size == 0 and not empty:
        raise NoPhoto("This file is empty.")
    if info.file_size > max_bytes:
        raise _too_large(max_bytes)
    if info.file_size > max(_SMALL, MAX_RATIO * info.compress_size):
        raise EntryRefused("This file unfolds to far more than a photo would, so it was not opened.")


def _too_large(max_bytes: int) -> UploadTooLarge:
    return UploadTooLarge(f"This file is larger than {max_bytes / 2**20:g} MB, the maximum.")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_left: int, max_bytes: int) -> bytes:
    """The bytes of a file whose beginning is a photo's; no more of it is unpacked than needed to know that."""
    pieces = list(_pieces(archive, info, max_left, max_bytes, check=_recognise))
    return b"".join(pieces)


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, max_left: int, max_bytes: int) -> int:
    """Write a file, which must not be there yet; its size. A file that is refused is removed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            return sum(map(file.write, _pieces(archive, info, max_left, max_bytes)))
    except (FileExistsError, NotADirectoryError) as error:
        raise EntryRefused("Another file of this ZIP has the same name.") from error
    except PublicError:
        path.unlink()
        raise


def _pieces(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    max_left: int,
    max_bytes: int,
    check: Callable[[bytes], None] = lambda head: None,
) -> Iterator[bytes]:
    """The content piece by piece. check: looks at the first piece, before more is unpacked."""
    size, file = 0, _opened(archive, info)
    with file:
        while piece := _next_piece(file):
            if not size:
                check(piece)
            size += len(piece)
            if size > max_bytes:
                raise _too_large(max_bytes)
            if size > max_left:
                raise EntryRefused("The files of this ZIP are too large together. Send the rest in another one.")
            yield piece


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(info)
    except _DAMAGE as error:
        raise EntryRefused(DAMAGED) from error


def _next_piece(file: IO[bytes]) -> bytes:
    try:
        return file.read(_STEP)
    except _DAMAGE as error:
        raise EntryRefused(DAMAGED) from error


def _recognise(head: bytes) -> None:
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        raise EntryRefused("This is an archive inside the ZIP, and is not opened. Send its photos directly.")
    sniff(head)
