"""Annotated photos: masks, boxes, tags, faces and a caption, drawn from a stored result.

Everything is drawn in place and mask by mask on its crop, so that a picture needs little more memory than its pixels.
"""

from collections.abc import Mapping
from typing import Final

import cv2
import numpy as np

from app.vision.analyses.registry import ordered
from app.vision.render.class_colours import Colours
from app.vision.render.drawing import Item, Style, draw_caption, draw_face, draw_objects, draw_tags
from app.vision.results import Analysed
from app.vision.rivals import shapes
from app.vision.view import View

VERSION: Final = "5"  # Raised when the same result would be drawn differently.
QUALITY: Final = {"jpeg": 90, "webp": 85}
WEBP_SIDE = 16_383  # The longest that the format allows.
_BAND = 1 << 18  # Pixels blended at a time.


def render(rgb: np.ndarray, results: Mapping[str, Analysed], view: View, colours: Colours | None = None) -> bytes:
    """The annotated photo as a file of the view's format. Draws on `rgb` itself, as `annotate` does."""
    return encode(annotate(rgb, results, view, colours), view.format)


def annotate(
    rgb: np.ndarray, results: Mapping[str, Analysed], view: View, colours: Colours | None = None
) -> np.ndarray:
    """Draw what a view shows of a result.

    Args:
        rgb: (H, W, 3) uint8, the upright photo, or a smaller picture of it. It is drawn on, unless the view makes it
            smaller still: pass a copy to keep it.
        results: stored results by analyzer.
        view: what to show and how.
        colours: by default those of the results.

    Returns:
        The picture, (h, w, 3) uint8 RGB, at most `view.max_size` long.
    """
    picture = shrunk(rgb, view)
    listed = [analysed.result for analysed in ordered(results)]
    rows = [row for result in listed for row in result.rows()]
    height, width = next((result.size for result in listed if result.size), rgb.shape[:2])
    scale = (picture.shape[1] / width, picture.shape[0] / height)
    style = Style.of(*picture.shape[:2])
    colours = colours or Colours.of(results)
    items = [
        Item.of(shape, colours.pick(view, result, shape.index, shape.row), scale, view)
        for result in listed
        for shape in shapes(result.rows(), view)
        if shape.row.box is not None
    ]
    objects = draw_objects(picture, [item for item in items if not item.points], style)
    faces = [item for item in items if item.points]
    for face in faces:
        draw_face(picture, face, style)
    if view.labels:
        captions = [row for row in rows if row.box is None]
        taken = draw_caption(picture, captions, style) if captions else None
        draw_tags(picture, [*objects, *faces], style, taken)
    return picture


def encode(rgb: np.ndarray, format: str) -> bytes:
    """A picture, (H, W, 3) uint8 RGB, as a JPEG, PNG or WebP file.

    OpenCV wants blue first: the channels are swapped in place, a band at a time, and swapped back, because a second
    copy of the pixels would be the largest thing in the process.
    """
    options = {
        "jpeg": [cv2.IMWRITE_JPEG_QUALITY, QUALITY["jpeg"]],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, QUALITY["webp"]],
        "png": [],
    }[format]
    rgb = np.ascontiguousarray(rgb)
    if not rgb.flags.writeable:
        rgb = rgb.copy()
    _swap_channels(rgb)
    try:
        done, data = cv2.imencode(".jpg" if format == "jpeg" else f".{format}", rgb, options)
    finally:
        _swap_channels(rgb)
    if not done:
        raise ValueError(f"a picture of {rgb.shape[1]} x {rgb.shape[0]} cannot be written as {format}")
    return data.tobytes()


def shrunk(rgb: np.ndarray, view: View) -> np.ndarray:
    """The photo at the size that the view asks for, or that its format can hold; itself if that is its own."""
    longest = max(rgb.shape[:2])
    max_side = min(view.max_size or longest, WEBP_SIDE if view.format == "webp" else longest)
    if max_side >= longest:
        return rgb if rgb.flags.writeable else rgb.copy()
    height, width = (max(1, round(side * max_side / longest)) for side in rgb.shape[:2])
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def _swap_channels(picture: np.ndarray) -> None:
    rows = max(1, _BAND // picture.shape[1])
    for top in range(0, len(picture), rows):
        band = picture[top : top + rows]
        cv2.cvtColor(band, cv2.COLOR_RGB2BGR, dst=band)
