"""What a drawing shows, for the pages and the API: strokes or an image in, a guess out.

The network is small enough to answer in the web process, in a few milliseconds; nothing is queued and nothing is kept.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from flask import Flask, current_app

from app import sketch
from app.config.settings import Settings
from app.errors import PublicError
from app.intake import decode, read_photo
from app.intake.budget import pixel_budget

Bitmap = npt.NDArray[np.uint8]

# A larger image is no drawing, whatever the service takes as a photo.
MOST_PIXELS = 16_000_000
# Pixels of the longer side that are enough of a JPEG.
ENOUGH = 1024


class NothingDrawn(PublicError):
    """A blank sheet, or no more than a dot."""

    status, code, message = 422, "nothing-drawn", "Draw something first."


class NotADrawing(PublicError):
    """An image that is no line drawing."""

    status, code = 422, "not-a-drawing"
    message = "This does not look like a line drawing."


class GuessingUnavailable(PublicError):
    """The network's file is missing."""

    status, code = 503, "guessing-unavailable"
    message = "Drawings cannot be recognised here: the network is not installed."


@dataclass(frozen=True)
class Seen:
    """A guess, whose seconds are the whole time; and the bitmap (28, 28) uint8, white on black, that was looked at."""

    guess: sketch.Guess
    bitmap: Bitmap


class Guesser:
    """The one recogniser of the web process, made when the first drawing comes. Safe to share between threads."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._lock = threading.Lock()
        self._recogniser: sketch.Recogniser | None = None

    def strokes(self, strokes: sketch.Strokes, canvas: float | None = None) -> Seen:
        """Guess from strokes, each (N, 2), x to the right and y down; canvas: its side in the same unit.

        Raises:
            NothingDrawn: none, or too small on the canvas. GuessingUnavailable.
        """
        return self._seen(lambda: sketch.raster(strokes, canvas))

    def image(self, data: bytes) -> Seen:
        """Guess from the bytes of an image.

        Raises:
            NothingDrawn, NotADrawing, GuessingUnavailable, and every error of reading a photo.
        """
        if not data:
            raise NothingDrawn
        limits = {"max_bytes": self._settings.max_upload_bytes}
        photo = read_photo(data, **limits, max_pixels=min(self._settings.max_pixels, MOST_PIXELS))
        with pixel_budget.reserve(photo.width * photo.height):
            return self._seen(lambda: sketch.picture(decode(data, at_least=ENOUGH)))

    def _seen(self, make: Callable[[], Bitmap]) -> Seen:
        began = time.perf_counter()
        try:
            bitmap = make()
        except sketch.NothingDrawn as error:
            raise NothingDrawn from error
        except sketch.NotADrawing as error:
            raise NotADrawing(str(error)) from error
        guess = self._loaded().recognise(bitmap)
        return Seen(replace(guess, seconds=time.perf_counter() - began), bitmap)

    def _loaded(self) -> sketch.Recogniser:
        with self._lock:
            if self._recogniser is None:
                try:
                    self._recogniser = sketch.Recogniser.from_folder(self._settings.checkpoints_path)
                except FileNotFoundError as error:
                    raise GuessingUnavailable from error
            return self._recogniser


def init_app(app: Flask) -> None:
    """Give the application its guesser; loads nothing yet."""
    app.extensions["guesser"] = Guesser(app.extensions["services"].settings)


def guesser() -> Guesser:
    """The guesser of the application that handles this request."""
    found: Guesser = current_app.extensions["guesser"]
    return found
