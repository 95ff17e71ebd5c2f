"""Drawings of our own making, for tests: strokes as QuickDraw writes them, and pictures of them."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

Strokes = list[list[list[int]]]

# A body, a tail, an eye.
FISH: Strokes = [
    [[60, 75, 95, 120, 150, 180, 205, 225, 240, 225, 200, 170, 140, 110, 85, 60],
     [75, 55, 40, 30, 25, 28, 38, 55, 75, 92, 108, 117, 120, 113, 98, 75]],
    [[60, 32, 5, 3, 5, 32, 60], [75, 55, 35, 75, 115, 95, 75]],
    [[205, 206], [62, 64]],
]  # fmt: skip
# A flight of stairs: none of the six.
STAIRS: Strokes = [[[0, 0, 50, 50, 100, 100, 150, 150, 200, 200], [200, 160, 160, 120, 120, 80, 80, 40, 40, 0]]]


def picture(
    strokes: Strokes = FISH, side: int = 400, ink: str = "black", paper: str = "white", format: str = "png"
) -> bytes:
    """A square picture of strokes, with a margin."""
    image = Image.new("RGB", (side, side), paper)
    pen = ImageDraw.Draw(image)
    scale, margin = side * 0.8 / 255, side * 0.1
    for xs, ys in strokes:
        points = [(margin + scale * x, margin + scale * y) for x, y in zip(xs, ys, strict=True)]
        pen.line(points, fill=ink, width=max(1, side // 50), joint="curve")
    return encoded(image, format)


def blank(side: int = 400) -> bytes:
    """A sheet with nothing on it."""
    return encoded(Image.new("RGB", (side, side), "white"))


def noise(side: int = 400) -> bytes:
    """What no hand has drawn."""
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    return encoded(Image.fromarray(pixels))


def encoded(image: Image.Image, format: str = "png") -> bytes:
    """The bytes of an image."""
    held = BytesIO()
    image.save(held, format)
    return held.getvalue()
