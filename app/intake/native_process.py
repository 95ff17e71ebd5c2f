"""Decodes one file with a native library, in a process of its own: see `app.intake.native`, which starts it.

    python -I native_process.py TASK MAX_PIXELS SECONDS [PAGE]

The file comes on standard input. A line of JSON goes to standard output, and after it the picture where the task makes
one. This is a script and imports nothing of the program, so that it starts in a tenth of a second.
"""

import json
import math
import os
import resource
import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import Image

# Memory that a process may ask for: what Python and a library take, and for each pixel of the largest photo what
# developing a raw file takes (two bytes as read, eight while it is developed, three as RGB, four as Pillow's copy).
BASE_MEMORY, MEMORY_PER_PIXEL = 768 * 2**20, 24
MAX_SIDE = 65_500
# Dots per inch of a PDF's page: letters of 8 points are 22 pixels high. And most pixels of one: A2 has so many.
PAGE_DPI, PAGE_PIXELS = 200, 16_000_000
# A picture inside a raw file counts as its full size from this share of the sensor's longer side on.
FULL_SIZE = 0.9
QUALITY = 95

Answer = tuple[dict[str, Any], bytes]


class Refused(Exception):
    """The answer where there is no picture, `{"error": code, ...}`."""


def check_size(size: tuple[int, int], max_pixels: int) -> None:
    """Raise Refused for a photo that is too large."""
    width, height = size
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise Refused({"error": "pixels", "width": width, "height": height})


def heic(data: bytes, max_pixels: int, _: int) -> Answer:
    """Decode a HEIC file to its last pixel; libheif turns it upright."""
    import pi_heif

    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    file = pi_heif.open_heif(BytesIO(data))
    promised = file.size
    check_size(promised, max_pixels)
    if not len(file.data) or file.size != promised:
        raise Refused({"error": "broken"})
    return {"width": promised[0], "height": promised[1]}, b""


def avif(data: bytes, max_pixels: int, _: int) -> Answer:
    """Decode an AVIF file to its last pixel. Pillow puts its own rotation, which alone counts, into the EXIF."""
    with Image.open(BytesIO(data), formats=["AVIF"]) as image:
        check_size(image.size, max_pixels)
        image.load()
        image.info.pop("xmp", None)
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        width, height = image.size[::-1] if turned else image.size
    return {"width": width, "height": height}, b""


def raw(data: bytes, max_pixels: int, _: int) -> Answer:
    """The full-size JPEG that a camera put into its raw file, else the sensor's pixels, developed."""
    import rawpy

    with rawpy.imread(BytesIO(data)) as file:
        width, height = file.sizes.iwidth, file.sizes.iheight
        check_size((width, height), max_pixels)
        preview = _preview(file, FULL_SIZE * max(width, height))
        if preview is not None:
            return {}, preview
        rgb = file.postprocess(use_camera_wb=True, demosaic_algorithm=rawpy.DemosaicAlgorithm.PPG)
    return {}, _jpeg(Image.fromarray(rgb))


def _preview(file: Any, min_side: float) -> bytes | None:
    """The JPEG inside a raw file, if it has so many pixels on its longer side. LibRaw puts its orientation into it."""
    import rawpy

    try:
        found = file.extract_thumb()
    except rawpy.LibRawError:
        return None
    if found.format != rawpy.ThumbFormat.JPEG:
        return None
    with Image.open(BytesIO(found.data), formats=["JPEG"]) as image:
        return found.data if max(image.size) >= min_side else None


def count(data: bytes, _: int, __: int) -> Answer:
    """The number of a PDF's pages."""
    return {"pages": len(_document(data))}, b""


def pdf(data: bytes, max_pixels: int, page: int) -> Answer:
    """A page of a PDF, counted from 1, at PAGE_DPI or as large as is allowed."""
    max_pixels = min(max_pixels, PAGE_PIXELS)
    sheet = _document(data)[page - 1]
    width, height = sheet.get_size()
    if not (width > 0 and height > 0):
        raise Refused({"error": "broken"})
    largest = min(math.sqrt(max_pixels / (width * height)), MAX_SIDE / max(width, height))
    # A page is rounded up to whole pixels.
    image = sheet.render(scale=min(PAGE_DPI / 72, 0.99 * largest)).to_pil()
    check_size(image.size, max_pixels)
    return {}, _jpeg(image.convert("RGB"))


def _document(data: bytes) -> Any:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise Refused({"error": "password" if "password" in str(error).lower() else "broken"}) from error


def _jpeg(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


TASKS: dict[str, Callable[[bytes, int, int], Answer]] = {
    "heic": heic,
    "avif": avif,
    "raw": raw,
    "count": count,
    "pdf": pdf,
}


def limit(max_pixels: int, seconds: int) -> None:
    """Take from this process all that decoding does not need: memory, time, and writing to files."""
    memory = BASE_MEMORY + MEMORY_PER_PIXEL * max_pixels
    for name, value in (("AS", memory), ("CPU", seconds), ("FSIZE", 0), ("CORE", 0)):
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
        except (OSError, ValueError):
            continue  # macOS does not limit memory; an outer limit may be lower already.


def main() -> None:
    """Do the task that the arguments name."""
    task, max_pixels, seconds, page = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    limit(max_pixels, seconds)
    # What a library prints goes to standard error, so that it is not taken for the answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    data, picture = sys.stdin.buffer.read(), b""
    try:
        answer, picture = TASKS[task](data, max_pixels, page)
    except Refused as refused:
        answer = refused.args[0]
    except MemoryError:
        answer = {"error": "memory"}
    except Exception:  # noqa: BLE001  Whatever a library raises, the file is what it cannot read.
        answer = {"error": "broken"}
    with answers:
        answers.write(json.dumps(answer).encode() + b"\n" + picture)


if __name__ == "__main__":
    main()
