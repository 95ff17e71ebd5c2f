"""Small photos made on the spot, for tests."""

import io
from typing import Any

import numpy as np
from PIL import ExifTags, Image

ORIENTATION = ExifTags.Base.Orientation
# How an upright picture must be turned so that a camera's orientation value turns it back.
_STORE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def scene(width: int, height: int) -> np.ndarray:
    """A smooth picture without any symmetry, (height, width, 3) uint8 RGB."""
    y, x = np.mgrid[0:height, 0:width]
    x, y = x / max(width - 1, 1), y / max(height - 1, 1)
    return np.stack([255 * x, 255 * y, 255 * x * (1 - y) + 40 * y], -1).clip(0, 255).astype(np.uint8)


def encode(pixels: np.ndarray | Image.Image, format: str, **options: Any) -> bytes:
    """A photo file of an array or image."""
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def stored_as(rgb: np.ndarray, orientation: int, format: str, **options: Any) -> bytes:
    """A file whose stored pixels are turned away and whose EXIF orientation says how to turn them back."""
    image = Image.fromarray(rgb)
    if orientation in _STORE:
        image = image.transpose(_STORE[orientation])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encode(image, format, exif=exif, **options)


def jpeg(width: int = 64, height: int = 48) -> bytes:
    """A small JPEG."""
    return encode(scene(width, height), "JPEG", quality=90)


def sheet(colour: str, width: int = 100, height: int = 50) -> Image.Image:
    """A page of one colour, at 72 dots per inch."""
    return Image.new("RGB", (width, height), colour)


def pdf(*pages: Image.Image) -> bytes:
    """A PDF of pictures."""
    return encode(pages[0], "PDF", save_all=True, append_images=pages[1:])
