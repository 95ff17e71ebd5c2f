"""Text on pictures: small patches, set in Aileron (CC0, part of Pillow), blended into pixels in place."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.vision.render.palette import rgb

# Aileron has one weight; a thin stroke makes it semi-bold, which is readable on a coloured background.
_WEIGHT = 0.022
_FALLBACK = "DejaVuSans.ttf"  # For alphabets that Aileron lacks, if the system has it.


@dataclass(frozen=True)
class Patch:
    """A piece of a picture: pixels (h, w, 3) uint8 RGB and how much they cover, (h, w) uint8."""

    pixels: np.ndarray
    alpha: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.alpha.shape[1], self.alpha.shape[0]


def tag_size(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels of the tag that `tag` draws."""
    return _width(text, size) + 2 * _padding(size), line_height(size)


def line_height(size: int) -> int:
    """Height of a tag with text of that size."""
    return round(size * 1.5)


@lru_cache(maxsize=128)
def tag(text: str, size: int, fill: str, ink: str, opacity: float = 1.0) -> Patch:
    """A rounded tag with one line of text.

    Args:
        text: of the tag; size: of the font in pixels; fill, ink: #rrggbb of background and text.
        opacity: of the background, 0 to 1.
    """
    width, height = tag_size(text, size)
    ground = _rounded(width, height, max(2, round(size * 0.22)))
    font = _font(size, _covered(text))
    letters = Image.new("L", (width, height))
    # Centred by the height of capitals, so that the texts of all tags have the same baseline.
    base = round((height + 0.70 * size) / 2)
    ImageDraw.Draw(letters).text((_padding(size), base), text, 255, font, "ls", stroke_width=size * _WEIGHT)
    ink_alpha = np.asarray(letters)
    pixels = _mix(np.full((height, width, 3), rgb(fill), np.uint8), np.array(rgb(ink)), ink_alpha)
    return Patch(pixels, np.maximum((ground * opacity).astype(np.uint8), np.minimum(ink_alpha, ground)))


def shorten(text: str, size: int, width: int) -> str:
    """The text, shortened with an ellipsis until its tag fits the width; empty if no letter fits."""
    if tag_size(text, size)[0] <= width:
        return text
    for end in range(len(text) - 1, 0, -1):
        short = text[:end].rstrip() + "…"
        if tag_size(short, size)[0] <= width:
            return short
    return ""


def draw_patch(picture: np.ndarray, patch: Patch, x: int, y: int) -> None:
    """Draw a patch on a picture, (H, W, 3) uint8, with its upper left corner at x, y. It must be inside the picture."""
    w, h = patch.size
    place = picture[y : y + h, x : x + w]
    place[:] = _mix(place, patch.pixels, patch.alpha)


def _mix(under: np.ndarray, over: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None].astype(np.uint16)
    return ((over.astype(np.uint16) * share + under.astype(np.uint16) * (255 - share) + 127) // 255).astype(np.uint8)


def _rounded(width: int, height: int, radius: int) -> np.ndarray:
    """(height, width) uint8 cover of a rectangle with smooth round corners."""
    fine = Image.new("L", (4 * width, 4 * height))
    ImageDraw.Draw(fine).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), 4 * radius, 255)
    return cv2.resize(np.asarray(fine), (width, height), interpolation=cv2.INTER_AREA)


def _padding(size: int) -> int:
    return max(2, round(size * 0.42))


def _width(text: str, size: int) -> int:
    return int(np.ceil(_font(size, _covered(text)).getlength(text)))


@lru_cache(maxsize=32)
def _font(size: int, covered: bool) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType, so it cannot write on pictures.")
    if covered:
        return font
    try:
        return ImageFont.truetype(_FALLBACK, size)
    except OSError:
        return font


def _covered(text: str) -> bool:
    return all(_has_letter(letter) for letter in set(text))


@lru_cache(maxsize=4096)
def _has_letter(letter: str) -> bool:
    """Whether Aileron has this letter: one that it lacks looks like one that no font has."""
    font = _font(16, True)
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))
