"""Images of drawings: the same raster as from the strokes, whatever the pen; and plain refusals of what is none."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from app.sketch import NotADrawing, NothingDrawn, Strokes, picture, raster
from tests.drawings import fish, house, spider

Image8 = npt.NDArray[np.uint8]
WHITE, NIGHT = (255, 255, 255), (20, 24, 40)


def canvas(
    strokes: Strokes,
    side: tuple[int, int] = (400, 400),
    pen: int = 8,
    ink: tuple[int, int, int] = (0, 0, 0),
    paper: tuple[int, int, int] = WHITE,
    size: float = 0.6,
) -> Image8:
    """What a canvas of (width, height) shows of strokes: smooth round lines, the drawing so large a part of it."""
    points = np.concatenate(list(strokes))
    scale = size * min(side) / np.ptp(points, axis=0).max()
    image = np.full((side[1], side[0], 3), paper, np.uint8)
    at = [(stroke - points.min(axis=0)) * scale + np.array(side) * 0.15 for stroke in strokes]
    lines = [np.rint(stroke * 16).astype(np.int32) for stroke in at]
    cv2.polylines(image, lines, False, ink, pen, cv2.LINE_AA, 4)
    return image


@pytest.mark.parametrize("drawing", [fish, house, spider])
@pytest.mark.parametrize(
    "look",
    [
        {},
        {"pen": 2},
        {"pen": 20},
        {"ink": (200, 40, 40), "paper": (250, 240, 200)},
        {"ink": (255, 255, 255), "paper": NIGHT},
        {"side": (1600, 900), "pen": 6},
        {"side": (150, 300), "pen": 4},
        {"size": 0.2, "pen": 4},
    ],
    ids=["black", "fine pen", "thick pen", "coloured", "light on dark", "large", "small", "small part"],
)
def test_a_canvas_of_strokes_gives_the_raster_of_the_strokes(drawing: Callable[[], Strokes], look: dict) -> None:
    expected = raster(drawing()).astype(int)
    difference = np.abs(picture(canvas(drawing(), **look)) - expected)
    # Of 255; another drawing differs by 30 and more.
    assert difference.mean() < 6


def test_a_compressed_image_gives_the_same_as_a_clean_one() -> None:
    clean = canvas(fish(), pen=7)
    packed = cv2.imdecode(cv2.imencode(".jpg", clean, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    assert packed is not None
    assert np.abs(picture(np.asarray(packed, np.uint8)).astype(int) - picture(clean)).mean() < 3


def test_a_bitmap_of_quickdraw_goes_through_as_it_is() -> None:
    bitmap = raster(fish())
    rgb = np.repeat(bitmap[:, :, None], 3, axis=2)
    assert np.abs(picture(rgb).astype(int) - bitmap).max() <= 1
    assert np.abs(picture(255 - rgb).astype(int) - bitmap).max() <= 1


def test_lines_that_run_off_the_image_are_kept() -> None:
    image = np.full((200, 200, 3), 255, np.uint8)
    cv2.line(image, (-20, 40), (220, 160), (0, 0, 0), 6, cv2.LINE_AA)
    cv2.line(image, (-20, 160), (220, 40), (0, 0, 0), 6, cv2.LINE_AA)
    assert picture(image).any()


def spot(radius: int) -> Image8:
    return cv2.circle(np.full((300, 300, 3), 255, np.uint8), (90, 200), radius, (0, 0, 0), -1).astype(np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        np.full((200, 300, 3), 255, np.uint8),
        np.zeros((28, 28, 3), np.uint8),
        np.full((1, 1, 3), 7, np.uint8),
        np.full((300, 300, 3), 250, np.uint8) - np.eye(300, dtype=np.uint8)[:, :, None] * 20,
        spot(2),
        spot(4),
    ],
    ids=["white", "black bitmap", "one pixel", "too faint", "speck", "dot"],
)
def test_nothing_drawn_is_said_so(image: Image8) -> None:
    with pytest.raises(NothingDrawn, match="Draw something first"):
        picture(image)


def made_up_photo() -> Image8:
    """Shades that run into each other, with texture."""
    rng = np.random.default_rng(3)
    coarse = cv2.resize(rng.integers(0, 256, (9, 12, 3)).astype(np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse + rng.normal(0, 8, coarse.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        made_up_photo(),
        np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8),
        np.where(np.random.default_rng(1).random((200, 200, 1)) < 0.02, 0, 255).astype(np.uint8).repeat(3, axis=2),
        np.random.default_rng(2).integers(0, 256, (28, 28, 3)).astype(np.uint8),
        spot(70),
        np.linspace(0, 255, 256).astype(np.uint8)[None, :, None].repeat(200, axis=0).repeat(3, axis=2),
    ],
    ids=["photo", "noise", "specks", "a bitmap of noise", "a filled disc", "a gradient"],
)
def test_an_image_that_is_not_a_line_drawing_is_refused_in_one_sentence(image: Image8) -> None:
    with pytest.raises(NotADrawing, match=r"^This does not look like a line drawing\. .*\.$"):
        picture(image)


def test_real_photos_are_refused(shared_data: Path) -> None:
    paths = sorted((shared_data / "coco").rglob("*.jpg"))[:40]
    taken = []
    for path in paths:
        try:
            picture(np.asarray(Image.open(path).convert("RGB")))
        except NotADrawing:
            continue
        taken.append(path.name)
    assert len(taken) <= 1, taken
