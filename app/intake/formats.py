"""Recognises the format of a file by its first bytes, never by its name."""

import re
from typing import NamedTuple

from app.errors import BrokenPhoto, NotAPhoto

# What file inputs offer, and senders may name; the bytes decide all the same.
MEDIA_TYPES = (
    *("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff", "image/heic", "image/heif"),
    *("image/avif", "image/x-adobe-dng", "application/pdf"),
)
# Of kinds whose media type browsers do not know everywhere.
SUFFIXES = (".heic", ".heif", ".avif", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".pef", ".srw")

# Sizes of the known BMP information headers, because many texts begin with "BM" too.
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Brands of files built of boxes (ISO/IEC 14496-12, section 4.3). AVIF shares the last three of HEIC.
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_HEIC_BRANDS = frozenset(
    (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1")
)
_CR3_BRAND = b"crx "
# Raw files of cameras that are no TIFFs: Olympus, Panasonic, Fujifilm, Sigma, Minolta, and old ones of Canon.
_RAW_MAGIC = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAP")
_JPEG_XL = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
# Readers look for a PDF's mark in its first kilobyte (PDF 1.7, appendix H, note 13).
_PDF, _PDF_WITHIN = b"%PDF-", 1024

# Formats whose decoders first meet a stranger's file in a process of their own.
NATIVE = ("heic", "avif")

# A progressive JPEG has about ten scans. Each one costs a pass over all pixels, but may have only a few bytes, so a
# small file with thousands of scans is a denial of service (libjpeg-turbo's report LJT-01-004).
MAX_JPEG_SCANS = 100

# A camera's file has some dozens of segments, and hundreds with a large profile or many scans. Pillow looks in Python
# at each of them, at each fill byte before it (ITU T.81, B.1.1.2), and at each byte of junk.
MAX_JPEG_SEGMENTS = 4_000
MAX_JPEG_FILL = 256
MAX_JPEG_JUNK = 64 * 1024

_JPEG_FILL = re.compile(rb"\xff{1,%d}" % (MAX_JPEG_FILL + 1))
_JPEG_AFTER_SCAN = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x00, 0x01, *range(0xD0, 0xD9)))
_SEQUENTIAL = (0xC0, 0xC1)
_SCAN, _END = 0xDA, 0xD9


def sniff(data: bytes) -> str:
    """The format of a photo: `jpeg`, `png`, `webp`, `gif`, `bmp`, `tiff`, `heic` or `avif`; or `raw` or `pdf`.

    Raw files of many cameras are TIFFs, and said to be that: see `app.intake.tiff`. Raises NotAPhoto for all else.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    if data.startswith(_TIFF_MAGIC):
        return "tiff"
    if data.startswith(_RAW_MAGIC):
        return "raw"
    if data[4:8] == b"ftyp":
        return _by_brand(data)
    if data.startswith(_JPEG_XL):
        raise NotAPhoto("JPEG XL photos cannot be read here. Save the photo as JPEG or PNG and send that.")
    if _PDF in data[:_PDF_WITHIN]:
        return "pdf"
    raise NotAPhoto()


def _by_brand(data: bytes) -> str:
    """The format of a file that begins with a `ftyp` box: its first brand, a version, and the brands it agrees with."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}
    if _CR3_BRAND in brands:
        return "raw"
    if brands & _AVIF_BRANDS:
        return "avif"
    if brands & _HEIC_BRANDS:
        return "heic"
    raise NotAPhoto()


class JpegStructure(NamedTuple):
    """How a JPEG is built.

    by_rows: its rows can be decoded one after the other; of all others libjpeg holds every coefficient of the photo,
    however small a picture is asked for. open_end: it ends inside its last scan, without an end marker.
    """

    by_rows: bool
    open_end: bool


def check_jpeg_structure(data: bytes) -> JpegStructure:
    """Walk a JPEG's markers up to its end: one frame header, and no more scans than a photo has.

    Raises:
        BrokenPhoto: a second frame header (two readers could see two sizes), or scans, segments or fill bytes beyond
        their limits.
    """
    frames = scans = segments = 0
    by_rows, components = True, b""
    final: set[tuple[int, int]] = set()
    position, in_scan = 2, False
    while found := _next_marker(data, position, in_scan):
        marker, position = found
        segments += 1
        if segments > MAX_JPEG_SEGMENTS:
            raise _unusual()
        if marker == _END:
            return JpegStructure(by_rows, open_end=False)
        if marker in _ALONE:
            continue
        if marker in _FRAMES:
            frames += 1
            by_rows, components = marker in _SEQUENTIAL, data[position + 7 : position + 8]
        elif marker == _SCAN:
            scans += 1
            by_rows &= data[position + 2 : position + 3] == components
            final |= _final(data[position + 2 : position + 14])
        if frames > 1 or scans > MAX_JPEG_SCANS:
            raise _unusual()
        position += int.from_bytes(data[position : position + 2], "big")
        in_scan = marker == _SCAN
    in_scan &= position <= len(data)
    return JpegStructure(by_rows, open_end=in_scan and len(final) == 64 * sum(components))


def _next_marker(data: bytes, position: int, in_scan: bool) -> tuple[int, int] | None:
    """The next marker, or an escaped 0xFF between segments, which is 0; and the position behind it.

    Raises BrokenPhoto for more fill bytes before it than MAX_JPEG_FILL, or more junk than MAX_JPEG_JUNK.
    """
    if in_scan:
        found = _JPEG_AFTER_SCAN.search(data, position)
        return (found[1][0], found.end()) if found else None
    first = data.find(b"\xff", position)
    if (len(data) if first < 0 else first) - position > MAX_JPEG_JUNK:
        raise _unusual()
    fill = _JPEG_FILL.match(data, first) if first >= 0 else None
    if fill is None or fill.end() == len(data):
        return None
    if fill.end() - fill.start() > MAX_JPEG_FILL:
        raise _unusual()
    return data[fill.end()], fill.end() + 1


def _unusual() -> BrokenPhoto:
    return BrokenPhoto("This JPEG has a structure that no camera uses, so it was refused. Save it again.")


def _final(header: bytes) -> set[tuple[int, int]]:
    """The coefficients, (component, place), whose last bit comes in the scan of this header (ITU T.81, B.2.3)."""
    count = header[0] if header else 0
    tail = header[1 + 2 * count : 4 + 2 * count]
    if len(tail) < 3 or tail[2] & 0xF:
        return set()
    return {(component, place) for component in header[1 : 2 * count : 2] for place in range(tail[0], tail[1] + 1)}
