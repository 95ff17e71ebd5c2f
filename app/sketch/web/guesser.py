"""Guesses what a drawing shows, from strokes or an image, for the pages and the API.

The network is small enough to answer in the web process in a few milliseconds; nothing is queued and nothing is stored.
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

# A larger image is not a drawing, whatever the service accepts as a photo.
MAX_PIXELS = 16_000_000
# JPEGs are decoded at a reduced size with at least this many pixels on the longer side.
DECODE_SIZE = 1024


class NothingDrawn(PublicError):
    """A blank sheet, or no more than a dot."""

    status, code, message = 422, "nothing-drawn", "Draw something first."


class NotADrawing(PublicError):
    """An image that is not a line drawing."""

    status, code = 422, "not-a-drawing"
    message = "This does not look like a line drawing."


class RecogniserUnavailable(PublicError):
    """The network's file is missing."""

    status, code = 503, "guessing-unavailable"
    message = "Drawings cannot be recognised here: the network is not installed."


@dataclass(frozen=True)
class Recognition:
    """A guess, with the seconds of the whole recognition, and the bitmap that the network got.

    bitmap: (28, 28) uint8, white on black.
    """

    guess: sketch.Guess
    bitmap: Bitmap


class Guesser:
    """The recogniser of the web process, loaded for the first drawing. Safe to share between threads."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._lock = threading.Lock()
        self._recogniser: sketch.Recogniser | None = None

    def from_strokes(self, strokes: sketch.Strokes, canvas: float | None = None) -> Recognition:
        """Guess from strokes, each (N, 2), x to the right and y down; canvas: side of the canvas in the same unit.

        Raises:
            NothingDrawn: no strokes, or too small for the canvas. RecogniserUnavailable.
        """
        return self._recognise(lambda: sketch.raster(strokes, canvas))

    def from_image(self, data: bytes) -> Recognition:
        """Guess from the bytes of an image.

        Raises:
            NothingDrawn, NotADrawing, RecogniserUnavailable, and every error of reading a photo.
        """
        if not data:
            raise NothingDrawn
        limits = {"max_bytes": self._settings.max_upload_bytes}
        photo = read_photo(data, **limits, max_pixels=min(self._settings.max_pixels, MAX_PIXELS))
        with pixel_budget.reserve(photo.width * photo.height):
            try:
                return self._recognise(lambda: sketch.picture(decode(data, min_side=DECODE_SIZE)))
            except NothingDrawn:  # White lines on nothing show on black paper only.
                return self._recognise(lambda: sketch.picture(decode(data, min_side=DECODE_SIZE, paper=0)))

    def _recognise(self, rasterise: Callable[[], Bitmap]) -> Recognition:
        start = time.perf_counter()
        try:
            bitmap = rasterise()
        except sketch.NothingDrawn as error:
            raise NothingDrawn from error
        except sketch.NotADrawing as error:
            raise NotADrawing(str(error)) from error
        guess = self._load().recognise(bitmap)
        return Recognition(replace(guess, seconds=time.perf_counter() - start), bitmap)

    def _load(self) -> sketch.Recogniser:
        with self._lock:
            if self._recogniser is None:
                try:
                    self._recogniser = sketch.Recogniser.from_folder(self._settings.checkpoints_path)
                except FileNotFoundError as error:
                    raise RecogniserUnavailable from error
            return self._recogniser


def init_app(app: Flask) -> None:
    """Give the application its guesser. Loads nothing yet."""
    app.extensions["guesser"] = Guesser(app.extensions["services"].settings)


def guesser() -> Guesser:
    """The guesser of the current application."""
    guesser: Guesser = current_app.extensions["guesser"]
    return guesser
