"""Files that hold photos in another form: raw files of cameras, and PDFs, whose pages are photos."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from app.errors import BrokenPhoto, EntryRefused, PublicError
from app.intake import native
from app.intake.archive import Entry
from app.intake.clock import Clock
from app.intake.formats import sniff
from app.intake.tiff import is_raw

# Seconds that the pages of one PDF may take together.
ALL_PAGES: Final = 60.0


def is_pdf(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a PDF."""
    try:
        return sniff(head) == "pdf"
    except PublicError:
        return False


def developed(data: bytes, *, max_pixels: int) -> bytes:
    """The photo in a file, as `app.intake.decode` reads it: of a raw file and of a PDF of one page a JPEG.

    Raises:
        NotAPhoto, TooManyPixels. BrokenPhoto: damaged, or a PDF of several pages; `unfolded` takes those apart.
    """
    format = sniff(data)
    if format == "raw" or (format == "tiff" and is_raw(data)):
        return _developed_raw(data, max_pixels)
    if format == "pdf":
        pages = native.count_pages(data)
        if pages != 1:
            raise BrokenPhoto(f"This PDF has {pages} pages. Send one page at a time.")
        return native.draw_page(data, 1, max_pixels)
    return data


def has_pages(data: bytes, *, max_bytes: int) -> bool:
    """Whether a file is a PDF of several pages, which make a batch; one beyond max_bytes is not opened.

    Raises BrokenPhoto, Busy.
    """
    return len(data) <= max_bytes and is_pdf(data) and native.count_pages(data) > 1


def unfolded(
    entry: Entry, *, max_photos: int, max_bytes: int, max_pixels: int, clock: Clock | None = None
) -> Iterator[Entry]:
    """A file of several as it is, and of a PDF its pages, as JPEGs that are named after it where there are several.

    max_photos: photos taken; the others are refused, pages together. max_bytes: a larger PDF is not opened. clock: when
    its time is over, so are further pages.
    """
    if entry.data is None or len(entry.data) > max_bytes or not is_pdf(entry.data):
        yield entry if max_photos > 0 or entry.data is None else Entry(entry.name, error=_too_many())
        return
    try:
        pages = native.count_pages(entry.data)
    except PublicError as error:
        yield Entry(entry.name, error=error)
        return
    clocks = [Clock(ALL_PAGES), *([clock] if clock else [])]
    yield from _pages(entry.data, entry.name, pages, max_photos, max_pixels, clocks)


def _pages(
    data: bytes, name: str, pages: int, max_photos: int, max_pixels: int, clocks: Sequence[Clock]
) -> Iterator[Entry]:
    for page in range(1, pages + 1):
        try:
            if page > max_photos:
                raise _too_many()
            for clock in clocks:
                clock.check()
        except EntryRefused as refused:
            yield Entry(f"{name}, from page {page}" if page > 1 else name, error=refused)
            return
        page_name = _page_name(name, page, pages)
        try:
            yield Entry(page_name, native.draw_page(data, page, max_pixels))
        except PublicError as error:
            yield Entry(page_name, error=error)


def _page_name(name: str, page: int, pages: int) -> str:
    """`scan.pdf` -> `scan_page_07.jpg`, in the same folder; of a single page its own name."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}_page_{page:0{len(str(pages))}}.jpg")) if pages > 1 else name


def _too_many() -> EntryRefused:
    return EntryRefused("There are too many photos. Send the rest by themselves.")


def _developed_raw(data: bytes, max_pixels: int) -> bytes:
    try:
        return native.develop(data, max_pixels)
    except BrokenPhoto as error:
        raise BrokenPhoto("This raw file cannot be developed here. Export it as JPEG and send that.") from error
