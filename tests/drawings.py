"""Drawings for tests: strokes as QuickDraw's JSON and as arrays, and pictures of them."""

from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from app.sketch import Strokes

Columns = list[list[list[int]]]

# A body, a tail, an eye.
FISH: Columns = [
    [[60, 75, 95, 120, 150, 180, 205, 225, 240, 225, 200, 170, 140, 110, 85, 60],
     [75, 55, 40, 30, 25, 28, 38, 55, 75, 92, 108, 117, 120, 113, 98, 75]],
    [[60, 32, 5, 3, 5, 32, 60], [75, 55, 35, 75, 115, 95, 75]],
    [[205, 206], [62, 64]],
]  # fmt: skip
# None of the six animals.
STAIRS: Columns = [[[0, 0, 50, 50, 100, 100, 150, 150, 200, 200], [200, 160, 160, 120, 120, 80, 80, 40, 40, 0]]]


def picture(
    strokes: Columns = FISH, side: int = 400, ink: str = "black", paper: str = "white", format: str = "png"
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
    """A blank sheet."""
    return encoded(Image.new("RGB", (side, side), "white"))


def noise(side: int = 400) -> bytes:
    """Random pixels."""
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    return encoded(Image.fromarray(pixels))


def encoded(image: Image.Image, format: str = "png") -> bytes:
    """The bytes of an image."""
    buffer = BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


def fish(turn: float = 0.0) -> Strokes:
    """An outline with a tail, an eye and a mouth; turn moves its parts a little."""
    along = np.linspace(0.15 * np.pi, 1.85 * np.pi, 40)
    body = np.stack([100 + 80 * np.cos(along + turn), 60 + 40 * np.sin(along)], axis=1)
    tail = np.array([body[0], (235, 20), (225, 60), (238, 105), body[-1]])
    eye = np.array([[50, 45], [54, 42], [58, 45], [54, 49], [50, 45.0]])
    return [body, tail, eye, np.array([[25, 75], [40, 78], [52, 74.0]])]


def house() -> Strokes:
    """Walls, a roof, a door."""
    return [
        np.array([[20, 100], [20, 220], [200, 220], [200, 100], [20, 100.0]]),
        np.array([[0, 105], [110, 0], [220, 105.0]]),
        np.array([[90, 220], [90, 150], [130, 150], [130, 220.0]]),
    ]


def spider(legs: int = 8) -> Strokes:
    """A round body with straight legs."""
    around = np.linspace(0, 2 * np.pi, 24)
    body = np.stack([120 + 30 * np.cos(around), 120 + 30 * np.sin(around)], axis=1)
    angles = np.arange(legs) * 2 * np.pi / legs + 0.3
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return [body, *(120 + np.outer([30, 115], direction) for direction in directions)]
