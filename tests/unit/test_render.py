"""Annotated photos, looked at pixel by pixel, and where their tags go."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from app.intake import decode
from app.vision import masks
from app.vision.analyses.labels.result import Labels
from app.vision.render.labels_layout import overlap, place
from app.vision.render.lettering import shorten, tag, tag_size
from app.vision.render.palette import colour, contrast, object_colour, rgb
from app.vision.render.picture import annotate, encode, render
from app.vision.results import Analysed
from app.vision.view import View
from tests.unit.photos import encode as photo_file
from tests.unit.photos import scene, stored_as
from tests.unit.results import CARD, everything, instances, objects

QUIET = View(masks=False, boxes=False, labels=False, faces=False)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def only(*layers: str) -> View:
    return View.from_args({name: name in layers for name in ("masks", "boxes", "labels", "faces")})


def test_a_mask_tints_exactly_its_own_pixels_by_a_quarter() -> None:
    found = instances((120, 160), [("car", 0.9, (30, 20, 130, 100))])
    picture = annotate(grey(120, 160), {"objects": Analysed(CARD, found)}, only("masks"))
    assert found.masks
    mask = masks.decode(found.masks[0]).astype(bool)
    tinted = np.round(90 * 3 / 4 + np.array(rgb(colour("car"))) / 4)
    inner = mask & (np.abs(picture.astype(int) - tinted) <= 1).all(2)
    assert inner.sum() >= 0.85 * mask.sum()  # The rest is the contour.
    assert inner[60, 80]
    far = np.ones_like(mask)
    far[16:104, 26:134] = False
    assert (picture[far] == 90).all()


def test_the_contour_is_in_the_full_colour_of_the_class() -> None:
    picture = annotate(grey(800, 1000), objects((800, 1000), ("dog", 0.9, (200, 200, 800, 600))), only("masks"))
    assert (picture[395:405, 198:204] == rgb(colour("dog"))).all(2).any()


def test_a_box_is_drawn_whole_even_along_the_edges() -> None:
    picture = annotate(grey(60, 80), objects((60, 80), ("car", 0.9, (0, 0, 80, 60))), only("boxes"))
    ink = (picture == rgb(colour("car"))).all(2)
    assert ink[0].all()
    assert ink[-1].all()
    assert ink[:, 0].all()
    assert ink[:, -1].all()
    assert not ink[5:-5, 5:-5].any()


@pytest.mark.parametrize("layer", ["masks", "boxes", "labels", "faces"])
def test_every_layer_can_be_had_alone(layer: str) -> None:
    plain = scene(320, 240)
    alone = annotate(plain.copy(), everything(), only(layer))
    assert (alone != plain).any()
    without = annotate(plain.copy(), everything(), View.from_args({"boxes": True, layer: False}))
    whole = annotate(plain.copy(), everything(), View(boxes=True))
    assert (without != whole).any()


def test_a_box_is_drawn_by_default_only_where_there_is_no_mask() -> None:
    box, edge = (20, 20, 80, 60), slice(20, 60)
    for masked in (True, False):
        results = {"objects": Analysed(CARD, instances((80, 100), [("car", 0.9, box)], masked=masked))}
        boxed = {
            view: bool((annotate(grey(80, 100), results, view)[edge, 20] == rgb(colour("car"))).all(1).mean() > 0.9)
            for view in (View(labels=False), View(labels=False, boxes=True), View(labels=False, masks=False))
        }
        assert list(boxed.values()) == [not masked, True, False]


def test_by_object_each_has_a_colour_of_its_own() -> None:
    found = objects((100, 200), ("car", 0.9, (10, 10, 90, 90)), ("car", 0.8, (110, 10, 190, 90)))
    picture = annotate(np.zeros((100, 200, 3), np.uint8), found, View(labels=False, colours="object"))
    left, right = ({tuple(pixel) for pixel in half.reshape(-1, 3)} for half in np.split(picture, 2, axis=1))
    assert rgb(object_colour(0)) in left - right
    assert rgb(object_colour(1)) in right - left


def test_a_view_that_draws_nothing_is_the_photo() -> None:
    plain = scene(320, 240)
    assert (annotate(plain.copy(), everything(), QUIET) == plain).all()


def test_what_the_threshold_or_the_classes_hide_leaves_no_trace() -> None:
    plain = scene(320, 240)
    view = View(0.5, exclude=("car", "dog", "face"))
    assert (annotate(plain.copy(), everything(), view)[:200] == plain[:200]).all()
    strict = annotate(plain.copy(), everything(), View(0.5))
    loose = annotate(plain.copy(), everything(), View(0.2))
    assert (strict[160:200, 10:80] == plain[160:200, 10:80]).all()
    assert (loose[160:200, 10:80] != plain[160:200, 10:80]).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (24, 32), (300, 9), (2000, 40)])
def test_photos_of_every_shape_are_drawn_without_trouble(size: tuple[int, int]) -> None:
    h, w = size
    results = objects(size, ("person", 0.9, (0, 0, w, h)), ("traffic light", 0.8, (w // 2, h // 2, w, h)))
    results["labels"] = everything()["labels"]
    assert annotate(grey(h, w), results, View()).shape == (h, w, 3)


def test_a_box_outside_the_photo_does_not_break_the_picture() -> None:
    found = instances((50, 60), [("car", 0.9, (10, 10, 30, 30))], masked=False)
    found.boxes[:] = [[-20, -10, 500, 900]]
    assert annotate(grey(50, 60), {"objects": Analysed(CARD, found)}, View()).shape == (50, 60, 3)


def test_a_smaller_picture_shows_the_same_in_its_own_size() -> None:
    picture = annotate(grey(400, 600), objects((400, 600), ("car", 0.9, (200, 100, 400, 300))), View(max_size=150))
    assert picture.shape == (100, 150, 3)
    tinted = np.round(90 * 3 / 4 + np.array(rgb(colour("car"))) / 4)
    assert np.abs(picture[50, 75].astype(int) - tinted).max() <= 1
    assert (picture[50, 10] == 90).all()


def test_a_photo_decoded_at_a_fraction_of_its_size_is_annotated_alike() -> None:
    results = everything((480, 640))
    data = photo_file(scene(640, 480), "JPEG", quality=95)
    small = decode(data, min_side=160)
    assert small.shape == (120, 160, 3)
    view = View(max_size=160, format="png")
    difference = annotate(small, results, view).astype(int) - annotate(decode(data), results, view)
    assert np.abs(difference).mean() < 1.5


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_fraction_is_upright_and_never_smaller_than_asked_for(orientation: int) -> None:
    data = stored_as(scene(301, 203), orientation, "JPEG")
    for min_side, longest in ((37, 38), (38, 76), (75, 76), (76, 151), (151, 301), (400, 301)):
        picture = decode(data, min_side=min_side)
        assert max(picture.shape) == longest
        assert picture.shape[1] > picture.shape[0]
        assert np.abs(picture[0, 0].astype(int) - scene(301, 203)[0, 0]).max() < 30


def test_a_photo_is_never_made_larger() -> None:
    assert annotate(grey(40, 60), {}, View(max_size=600)).shape == (40, 60, 3)


def test_a_read_only_photo_is_left_as_it_is() -> None:
    photo = grey(100, 120)
    photo.flags.writeable = False
    picture = annotate(photo, objects((100, 120), ("car", 0.9, (20, 20, 90, 80))), View())
    assert (photo == 90).all()
    assert (picture != 90).any()


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_files_are_of_the_format_asked_for(format: str) -> None:
    photo = scene(64, 48)
    with Image.open(io.BytesIO(render(photo.copy(), {}, View(format=format)))) as image:
        assert image.format == format.upper()
        assert image.size == (64, 48)
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - photo).mean() < 6


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_encoding_keeps_every_value_and_leaves_the_picture_alone(picture: np.ndarray) -> None:
    before = picture.copy()
    assert (np.asarray(Image.open(io.BytesIO(encode(picture, "png")))) == before).all()
    assert (picture == before).all()


def test_webp_of_a_photo_longer_than_the_format_can_hold_is_made_smaller() -> None:
    with Image.open(io.BytesIO(render(np.zeros((4, 16_400, 3), np.uint8), {}, View(format="webp")))) as image:
        assert image.width == 16_383


@st.composite
def layouts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    height, width, n = draw(st.integers(1, 400)), draw(st.integers(1, 400)), draw(st.integers(0, 12))
    boxes = draw(hnp.arrays(np.float64, (n, 4), elements=st.floats(-50, 450)))
    boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], 1)
    tags = draw(hnp.arrays(np.int64, (n, 2), elements=st.integers(5, 90)))
    return boxes, tags, (height, width)


@settings(max_examples=60)
@given(layouts())
def test_tags_lie_inside_the_picture_and_hardly_touch_each_other(
    layout: tuple[np.ndarray, np.ndarray, tuple[int, int]],
) -> None:
    boxes, tags, (height, width) = layout
    places = place(boxes, tags, (height, width))
    assert len(places) == len(boxes)
    corners = [(p.x, p.y, p.x + w, p.y + h) for p, (w, h) in zip(places, tags, strict=True) if p]
    rectangles = np.array(corners).reshape(-1, 4)
    assert (rectangles >= 0).all()
    assert (rectangles[:, 2] <= width).all()
    assert (rectangles[:, 3] <= height).all()
    shared = np.triu(overlap(rectangles, rectangles), 1).sum(0)
    assert (shared <= 0.151 * (rectangles[:, 2:] - rectangles[:, :2]).prod(1)).all()


def test_twelve_objects_in_one_spot_all_get_a_tag_of_their_own() -> None:
    boxes = np.array([[300, 200, 340, 240]] * 12)
    places = place(boxes, np.array([[80, 18]] * 12), (480, 640))
    found = [p for p in places if p]
    rectangles = np.array([(p.x, p.y, p.x + 80, p.y + 18) for p in found])
    assert len(found) == 12
    assert np.triu(overlap(rectangles, rectangles), 1).sum() == 0
    assert found[0].leader is None
    far = [p for p in found if p.leader]
    assert far
    assert all(300 <= p.leader[0] <= 340 and 200 <= p.leader[1] <= 240 for p in far if p.leader)


def test_a_lone_tag_sits_on_its_box() -> None:
    (found,) = place(np.array([[100, 80, 300, 200]]), np.array([[70, 20]]), (300, 400))
    assert found is not None
    assert (found.x, found.y, found.leader) == (100, 60, None)


def test_a_tag_stays_off_what_is_taken() -> None:
    taken = np.array([[90, 50, 200, 90]])
    (found,) = place(np.array([[100, 80, 300, 200]]), np.array([[70, 20]]), (300, 400), taken)
    assert found is not None
    assert overlap(np.array([[found.x, found.y, found.x + 70, found.y + 20]]), taken).sum() == 0


def test_a_tag_is_written_in_readable_ink() -> None:
    patch = tag("car 98 %", 40, "#e8542f", "#0b0d0f")
    flat = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in patch.pixels[patch.alpha == 255]]
    assert flat.count("#e8542f") > len(flat) / 3
    assert max(contrast(found, "#e8542f") for found in set(flat)) >= 4.5
    assert patch.size == tag_size("car 98 %", 40)


def test_text_too_long_for_the_picture_is_shortened() -> None:
    short = shorten("a class with a very long name 98 %", 12, 90)
    assert short.endswith("…")
    assert tag_size(short, 12)[0] <= 90
    assert shorten("car", 12, 3) == ""


def test_names_in_other_alphabets_are_drawn() -> None:
    patch = tag("кошка 猫", 20, "#e8542f", "#0b0d0f")
    assert (patch.pixels != rgb("#e8542f")).any()


def test_a_caption_says_what_the_whole_photo_shows_without_covering_it() -> None:
    labels = {"labels": Analysed(CARD, Labels(("sports_car", "grille"), (0.7, 0.02)))}
    plain = scene(320, 240)
    changed = (annotate(plain.copy(), labels, View()) != plain).any(2)
    assert changed.any()
    assert not changed[:200].any()
    assert changed.mean() < 0.05
