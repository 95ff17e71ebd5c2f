"""Draws on pictures in place: tinted masks with contours, boxes, faces, tags and a caption."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from app.vision import masks
from app.vision.render.labels_layout import place
from app.vision.render.lettering import draw_patch, line_height, shorten, tag, tag_size
from app.vision.render.palette import rgb, text_colour
from app.vision.rivals import Shape
from app.vision.rows import RLE, Point, Row
from app.vision.view import View, percent

_BAND = 1 << 15  # Pixels blended at a time: they stay in the processor's cache.
_FILL = 0.25
_CASING = (16, 18, 20)
_WHITE = (255, 255, 255)
_MIN_FONT = 7
_MAX_LETTERS = 28  # Of a text in a tag.
# Shares of the picture covered by tags: above the first tags get smaller, above the second some are left out.
_COMFORTABLE, _MAX_SHARE = 0.12, 0.35
# The upper share of a mask to which its tag belongs if no box is drawn.
_HEAD = 0.2


@dataclass(frozen=True)
class Style:
    """Sizes in pixels. They grow with the picture, a little more slowly."""

    line: int
    contour: int
    font: int

    @classmethod
    def of(cls, height: int, width: int) -> "Style":
        """For a picture of that size."""
        extent = math.sqrt(height * width)
        return cls(round(1 + extent / 500), max(2, round(0.6 + extent / 400)), max(9, round(5 + extent / 69)))


@dataclass(frozen=True)
class Item:
    """One thing to draw: its box, points and corners in pixels of the picture, its mask in those of the photo.

    colour: #rrggbb; written: the text that was read there; tagged: whether it gets a tag; boxed: whether its box is
    drawn; alternative: the best of the other guesses at it.
    scale: the picture's width and height as shares of the photo's.
    """

    name: str
    score: float
    box: tuple[float, ...]
    colour: str
    mask: RLE | None = None
    points: tuple[Point, ...] = ()
    corners: tuple[Point, ...] = ()
    written: str = ""
    tagged: bool = True
    boxed: bool = True
    alternative: str = ""
    scale: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, shape: Shape, colour: str, scale: tuple[float, float], view: View) -> "Item":
        """A shape with a box as a view draws it, in a picture of another size."""
        row, (sx, sy) = shape.row, scale
        x1, y1, x2, y2 = row.box or (0.0, 0.0, 0.0, 0.0)
        return cls(
            row.name,
            row.shown_score,
            (x1 * sx, y1 * sy, x2 * sx, y2 * sy),
            colour,
            row.mask if view.masks else None,
            tuple((x * sx, y * sy) for _, (x, y) in row.points),
            tuple((x * sx, y * sy) for x, y in row.corners),
            row.text,
            row.tagged,
            view.boxes or (view.masks and row.mask is None),
            shape.alternative,
            scale,
        )

    @property
    def ink(self) -> tuple[int, int, int]:
        return rgb(self.colour)

    @property
    def text(self) -> str:
        """The text of its tag: the text that was read, or class and score."""
        if self.written:
            line = " ".join(self.written.split())
            return line if len(line) <= _MAX_LETTERS else f"{line[: _MAX_LETTERS - 1]}…"
        return f"{self.name} {percent(self.score)}{self.alternative and f', {self.alternative}'}"

    def pixels(self) -> tuple[int, int, np.ndarray] | None:
        """The mask in the picture: column, row and (h, w) uint8 of 0 and 1; None for none or an empty one."""
        if self.mask is None:
            return None
        x, y, crop = masks.decode_crop(self.mask)
        if not crop.size:
            return None
        mask = crop.view(np.uint8)
        if self.scale == (1, 1):
            return x, y, mask
        (sx, sy), (h, w) = self.scale, mask.shape
        left, top = int(x * sx), int(y * sy)
        size = (max(1, round((x + w) * sx) - left), max(1, round((y + h) * sy) - top))
        return left, top, cv2.resize(mask, size, interpolation=cv2.INTER_AREA)


def draw_objects(picture: np.ndarray, items: list[Item], style: Style) -> list[Item]:
    """Fill masks and draw contours and boxes, the largest first, so that no small object is hidden.

    Returns:
        The items in their order, each with the box that its tag belongs to.
    """
    order = sorted(range(len(items)), key=lambda i: -_size(items[i].box))
    outlines = {i: _fill(picture, items[i], style) for i in order}
    for i in order:
        if outlines[i]:
            cv2.polylines(picture, outlines[i], True, items[i].ink, style.contour, cv2.LINE_AA)
        if items[i].boxed:
            _draw_box(picture, items[i], style)
    return [item if item.boxed else _headed(item, outlines[i]) for i, item in enumerate(items)]


def draw_face(picture: np.ndarray, face: Item, style: Style) -> None:
    """The corners of a face's box and its five landmarks, on white: unlike any object."""
    x1, y1, x2, y2 = _inside(face.box, picture, style.line)
    arm = max(2, round(min(x2 - x1, y2 - y1) * 0.22))
    corners = [(x1, y1, 1, 1), (x2, y1, -1, 1), (x2, y2, -1, -1), (x1, y2, 1, -1)]
    lines = [np.array([(x, y + dy * arm), (x, y), (x + dx * arm, y)], np.int32) for x, y, dx, dy in corners]
    edge = max(1, style.line // 2)
    cv2.polylines(picture, lines, False, _WHITE, style.line + 2 * edge, cv2.LINE_AA)
    cv2.polylines(picture, lines, False, face.ink, style.line, cv2.LINE_AA)
    radius = max(1.0, min(style.line * 1.3, (x2 - x1) / 22))
    for x, y in face.points:
        _dot(picture, x, y, radius + edge, _CASING)
        _dot(picture, x, y, radius, _WHITE)


def draw_tags(picture: np.ndarray, items: list[Item], style: Style, taken: np.ndarray | None = None) -> None:
    """Draw the items' tags, best scores first, where they fit; a leader line connects those that are far away.

    taken: (M, 4) rectangles to avoid.
    """
    height, width = picture.shape[:2]
    items = sorted((item for item in items if item.tagged), key=lambda item: -item.score)
    size = _tag_font(items, style.font, width, height)
    texts = [shorten(item.text, size, width) or shorten(item.name, size, width) for item in items]
    sizes = np.array([tag_size(text, size) for text in texts]).reshape(-1, 2)
    fitting = np.cumsum(sizes.prod(1)) <= _MAX_SHARE * width * height
    fitting[:1] = True
    margin = style.line / 2 * np.array([-1, -1, 1, 1])
    boxes = np.array([item.box for item in items]).reshape(-1, 4) + margin
    places = place(boxes[fitting], sizes[fitting], (height, width), taken)
    chosen = [(item, text, p) for item, text, p in zip(items, texts, places, strict=False) if p and text]
    for item, text, p in chosen:
        if p.leader:
            w, h = tag_size(text, size)
            _draw_leader(picture, item.ink, (p.x, p.y, p.x + w, p.y + h), p.leader, style)
    for item, text, p in chosen:
        draw_patch(picture, tag(text, size, item.colour, text_colour(item.colour)), p.x, p.y)


def draw_caption(picture: np.ndarray, labels: Sequence[Row], style: Style) -> np.ndarray | None:
    """Draw the labels of the whole photo in the lower left corner: the best one, and up to two more from 10 % on.

    Returns:
        The rectangle of the caption, (1, 4); None if it does not fit.
    """
    shown = [*labels[:1], *(label for label in labels[1:3] if label.score >= 0.1)]
    size = max(_MIN_FONT, round(style.font * 0.85))
    height, width = picture.shape[:2]
    margin = line_height(size) // 3
    text = " · ".join(f"{label.name.replace('_', ' ')} {percent(label.score)}" for label in shown)
    text = shorten(text, size, width - 2 * margin)
    if not text or line_height(size) + margin > height:
        return None
    patch = tag(text, size, "#101214", "#ffffff", 0.66)
    w, h = patch.size
    draw_patch(picture, patch, margin, height - h - margin)
    return np.array([[margin, height - h - margin, margin + w, height - margin]])


def _fill(picture: np.ndarray, item: Item, style: Style) -> list[np.ndarray]:
    """Tint a mask's pixels by a quarter of its colour, a few rows at a time. Returns its outline, smoothed."""
    pixels = item.pixels()
    if pixels is None:
        return []
    x, y, crop = pixels
    h, w = crop.shape
    rows = min(h, max(1, _BAND // w))
    tint = np.empty((rows, w, 3), np.uint8)
    tint[:] = np.tile(np.array(item.ink, np.uint8), (w, 1))
    for top in range(0, h, rows):
        band = crop[top : top + rows]
        under = picture[y + top : y + top + len(band), x : x + w]
        cv2.copyTo(cv2.addWeighted(under, 1 - _FILL, tint[: len(band)], _FILL, 0), band, under)
    contours, _ = cv2.findContours(crop, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x, y))
    return [cv2.approxPolyDP(contour, 0.35 + style.contour / 3, True) for contour in contours]


def _headed(item: Item, outline: list[np.ndarray]) -> Item:
    """The item with the upper end of its mask for a box."""
    if not outline:
        return item
    points = np.concatenate(outline)[:, 0]
    top, bottom = points[:, 1].min(), points[:, 1].max()
    head = points[points[:, 1] <= top + _HEAD * (bottom - top)]
    low, high = head.min(0), head.max(0)
    return replace(item, box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def _draw_box(picture: np.ndarray, item: Item, style: Style) -> None:
    x1, y1, x2, y2 = _inside(item.box, picture, style.line)
    line = max(1, min(style.line, min(x2 - x1, y2 - y1) // 12))
    if item.corners:
        ring = np.round(np.array(item.corners) * 16).astype(np.int32)
        cv2.polylines(picture, [ring], True, item.ink, line, cv2.LINE_AA, 4)
        return
    cv2.rectangle(picture, (x1, y1), (x2, y2), item.ink, line)


def _inside(box: tuple[float, ...], picture: np.ndarray, line: int) -> tuple[int, int, int, int]:
    """A box in whole pixels, moved inwards so that a line along it is completely visible."""
    margin = line // 2
    right, bottom = picture.shape[1] - 1 - margin, picture.shape[0] - 1 - margin
    x1, y1, x2, y2 = (round(v) for v in (box[0], box[1], box[2] - 1, box[3] - 1))
    x1, y1 = min(max(x1, margin), max(right, 0)), min(max(y1, margin), max(bottom, 0))
    return x1, y1, max(x1, min(x2, right)), max(y1, min(y2, bottom))


def _size(box: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _tag_font(items: list[Item], size: int, width: int, height: int) -> int:
    """The tags' font size: smaller if they would cover much of the picture, or are wider than it."""
    areas = [math.prod(tag_size(item.text, size)) for item in items]
    crowd = sum(areas) / (width * height)
    if crowd > _COMFORTABLE:
        size = max(min(size, 10), round(size * max(0.65, math.sqrt(_COMFORTABLE / crowd))))
    while size > _MIN_FONT and any(tag_size(item.text, size)[0] > width for item in items):
        size -= 1
    return size


def _draw_leader(
    picture: np.ndarray,
    ink: tuple[int, int, int],
    tag_box: tuple[int, int, int, int],
    end: tuple[int, int],
    style: Style,
) -> None:
    start = (min(max(end[0], tag_box[0]), tag_box[2]), min(max(end[1], tag_box[1]), tag_box[3]))
    cv2.line(picture, start, end, _CASING, style.line + 2, cv2.LINE_AA)
    cv2.line(picture, start, end, ink, style.line, cv2.LINE_AA)
    _dot(picture, *end, style.line * 1.6, ink)


def _dot(picture: np.ndarray, x: float, y: float, radius: float, ink: tuple[int, int, int]) -> None:
    """A smooth disc, placed to a sixteenth of a pixel."""
    cv2.circle(picture, (round(x * 16), round(y * 16)), round(radius * 16), ink, -1, cv2.LINE_AA, 4)
