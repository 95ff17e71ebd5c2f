"""Files whose decoders have a history of holes: HEIC, AVIF, raw files of cameras and PDF.

libheif, libavif, LibRaw and PDFium meet a stranger's file for the first time in a process of its own, with limits on
memory and time (`native_process.py`): a crash, a hang or a bomb ends that process and is a photo that cannot be opened.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from app.errors import BrokenPhoto, Busy, TooManyPixels
from app.intake.limits import check_size

# Seconds that one file, or one page, may take, by the clock and of the processor.
SECONDS: Final = 30
# Processes at a time: each holds the pixels of a photo.
AT_ONCE: Final = 2
_TOO_MANY: Final = "Too many photos of this kind are being read at the moment. Try again in a moment."
_SCRIPT: Final = Path(__file__).with_name("native_process.py")
_slots = threading.BoundedSemaphore(AT_ONCE)


def check(data: bytes, format: str, max_pixels: int) -> tuple[int, int]:
    """Width and height of a photo, `heic` or `avif`, as seen upright, once it has been decoded.

    Raises:
        TooManyPixels, BrokenPhoto. Busy: no process in time.
    """
    answer, _ = _ask(format, data, max_pixels)
    return answer["width"], answer["height"]


def develop(data: bytes, max_pixels: int) -> bytes:
    """A camera's raw file as JPEG: the full-size one inside, or the sensor's pixels, developed. Raises as `check`."""
    return _ask("raw", data, max_pixels)[1]


def count_pages(data: bytes) -> int:
    """How many pages a PDF has. Raises as `check`."""
    pages: int = _ask("count", data, 0)[0]["pages"]
    return pages


def draw_page(data: bytes, page: int, max_pixels: int) -> bytes:
    """A page of a PDF, counted from 1, as JPEG at 200 dots per inch or within the pixels. Raises as `check`."""
    return _ask("pdf", data, max_pixels, page)[1]


def _ask(task: str, data: bytes, max_pixels: int, page: int = 0) -> tuple[dict[str, Any], bytes]:
    if not _slots.acquire(timeout=SECONDS):
        raise Busy(_TOO_MANY)
    try:
        command = [sys.executable, "-I", str(_SCRIPT), task, str(max_pixels), str(SECONDS), str(page)]
        ended = subprocess.run(
            command, input=data, capture_output=True, timeout=SECONDS, env=_environment(), check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BrokenPhoto("This file takes too long to open, and was given up. Save it as JPEG or PNG.") from error
    except OSError as error:  # No process can be started: too many of them, or too little memory.
        raise Busy(_TOO_MANY) from error
    finally:
        _slots.release()
    line, _, picture = ended.stdout.partition(b"\n")
    try:
        answer: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise BrokenPhoto() from error  # The process crashed before it answered.
    _raise_for(answer, max_pixels)
    return answer, picture


def _environment() -> dict[str, str]:
    """No secrets, and one thread for LibRaw: on busy cores its threads wait for each other ten times as long."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1"}


def _raise_for(answer: dict[str, Any], max_pixels: int) -> None:
    match answer.get("error"):
        case None:
            return
        case "memory":
            raise TooManyPixels("This photo needs more memory than there is. Make it smaller and try again.")
        case "password":
            raise BrokenPhoto("This PDF is protected by a password. Save it without one.")
        case "pixels":
            check_size(answer["width"], answer["height"], max_pixels)
    raise BrokenPhoto()
