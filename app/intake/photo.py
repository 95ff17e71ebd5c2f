"""A checked photo. Everything else in the program works on these."""

import hashlib
from dataclasses import dataclass

from app.errors import NoPhoto, UploadTooLarge
from app.intake.decode import verify
from app.intake.develop import developed


@dataclass(frozen=True)
class Photo:
    """Bytes that are known to decode.

    data: the file as it came, or the JPEG that a raw file or a PDF's page became; sha256, md5: its hashes in hex;
    format: `jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`, `heic` or `avif`; width, height: of the upright photo, in
    pixels.
    """

    data: bytes
    sha256: str
    md5: str
    format: str
    width: int
    height: int


def read_photo(data: bytes, *, max_bytes: int, max_pixels: int) -> Photo:
    """Check an upload: a known format, within the limits, and decodable to its last row.

    Args:
        data: the bytes of the file.
        max_bytes: maximum size of the file.
        max_pixels: maximum width x height, checked in the header before anything is decoded.

    Raises:
        NoPhoto: no bytes. UploadTooLarge, TooManyPixels: beyond a limit. NotAPhoto: of no known format.
        BrokenPhoto: of one, but damaged, cut short or of a kind that cannot be read; or a PDF of several pages.
        Busy: too many files whose decoders need a process of their own are being read.
    """
    if not data:
        raise NoPhoto("This file is empty. Choose another photo.")
    if len(data) > max_bytes:
        raise UploadTooLarge(f"This file is larger than {max_bytes / 2**20:g} MB, the maximum.")
    data = developed(data, max_pixels=max_pixels)
    format, width, height = verify(data, max_pixels=max_pixels)
    sha256 = hashlib.sha256(data).hexdigest()
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Photo(data, sha256, md5, format, width, height)
