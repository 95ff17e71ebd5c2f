"""The geometry of lines of text: which way they run, in which order one reads them, and what letters columns spell."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vision.analyses.text import lines, regions
from app.vision.analyses.text.reader import decode

angles = st.floats(-180, 180)


def rectangle(x: float, y: float, width: float, height: float, angle: float = 0) -> np.ndarray:
    """A rectangle by its middle, (4, 2) clockwise from the upper left corner before it was turned."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return (corners @ np.array([(cos, sin), (-sin, cos)]) + (x, y)).astype(np.float32)


@given(angles, st.floats(2, 20), st.integers(0, 3))
def test_a_long_line_runs_along_its_longer_side_to_the_right_or_downwards(
    angle: float, ratio: float, roll: int
) -> None:
    made = rectangle(300, 200, 10 * ratio, 10, angle)
    (upright,) = lines.upright(np.roll(made, roll, axis=0)[None])
    step = upright[1] - upright[0]
    assert np.linalg.norm(step) == pytest.approx(10 * ratio, rel=0.01)
    assert step[np.abs(step).argmax()] > 0
    assert cv2.contourArea(upright, oriented=True) > 0  # still clockwise
    assert sorted(map(tuple, upright.tolist())) == sorted(map(tuple, made.tolist()))


@pytest.mark.parametrize("turns", [0, 1])
def test_a_single_digit_runs_as_the_rest_of_the_page_does(turns: int) -> None:
    page = np.stack([rectangle(200, 40, 300, 20), rectangle(200, 80, 280, 20), rectangle(400, 40, 18, 20)])
    if turns:
        page = np.ascontiguousarray(page[:, :, ::-1])[:, ::-1]
    assert (lines.runs_down(lines.upright(page)) == bool(turns)).all()


def test_lines_stand_as_most_of_their_group_do_and_the_others_are_doubtful() -> None:
    page = np.stack([rectangle(200, 40 * i, 300, 20) for i in range(1, 5)] + [rectangle(600, 200, 300, 20, 90)])
    flags, doubtful = lines.upside_down(page, np.array([0.9, 0.8, 0.95, 0.2, 0.1]))
    assert flags.tolist() == [True, True, True, True, False]
    assert doubtful.tolist() == [False, False, False, True, False]
    begins = lines.turned(page, flags)[:, 0]
    np.testing.assert_array_equal(begins[0], page[0, 2])
    np.testing.assert_array_equal(begins[4], page[4, 0])


@given(angles, st.permutations(range(6)))
def test_lines_are_read_row_by_row_however_the_page_lies(angle: float, shuffle: list[int]) -> None:
    boxes = [(200, 100, 200), (500, 104, 150), (180, 150, 160), (520, 148, 190), (350, 200, 400), (350, 250, 300)]
    page = np.stack([rectangle(x, y, width, 24) for x, y, width in boxes])
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turned = page @ np.array([(cos, sin), (-sin, cos)])
    order = lines.reading_order(turned[shuffle])
    assert [shuffle[i] for i in order] == list(range(6))


def test_no_lines_have_an_order_too() -> None:
    nothing = np.zeros((0, 4, 2), np.float32)
    assert lines.reading_order(nothing).tolist() == []
    assert lines.upright(nothing).shape == (0, 4, 2)
    assert lines.largest(nothing, 100, 10, 50).shape == (0, 4, 2)
    assert regions.merge(nothing, nothing, 0.5).shape == (0, 4, 2)


@given(st.lists(st.tuples(st.floats(1, 900), st.floats(1, 60)), max_size=60))
def test_what_is_read_has_a_limit_and_the_largest_lines_come_first(sizes: list[tuple[float, float]]) -> None:
    page = np.array([rectangle(500, 500, max(size), min(size)) for size in sizes], np.float32).reshape(-1, 4, 2)
    kept = lines.largest(page, 3000, 160, 2400)
    widths = [lines.padded(lines.width_of(each, 2400), 160) for each in kept]
    assert sum(widths) <= 3000
    assert all(width % 160 == 0 for width in widths)
    if len(kept) < len(page):
        assert len(page) > 1


def test_a_strip_is_the_line_upright_from_the_picture_of_the_right_size() -> None:
    large = np.zeros((600, 800, 3), np.uint8)
    cv2.rectangle(large, (100, 100), (399, 195), (255, 255, 255), -1)
    cv2.rectangle(large, (100, 100), (199, 195), (255, 0, 0), -1)
    small = cv2.resize(large, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    strip = lines.strip([(small, 0.5), (large, 1.0)], rectangle(250, 148, 300, 96), 150)
    assert strip.shape == (lines.HEIGHT, 150, 3)
    assert strip[24, 20].tolist() == [255, 0, 0]
    assert strip[24, 120].tolist() == [255, 255, 255]
    upside_down = lines.strip([(small, 0.5), (large, 1.0)], np.roll(rectangle(250, 148, 300, 96), 2, axis=0), 150)
    assert upside_down[24, 130].tolist() == [255, 0, 0]


def test_a_region_of_the_map_is_grown_and_a_faint_or_thin_one_left_out() -> None:
    text_map = np.zeros((256, 352), np.float32)
    text_map[100:110, 60:160] = 0.9
    text_map[150:160, 60:160] = 0.35
    text_map[200:202, 60:160] = 0.9
    (found,) = regions.find_regions(text_map)
    left, top, right, bottom = *found.min(axis=0), *found.max(axis=0)
    by = 1.6 * 100 * 10 / (2 * 110)
    expected = [60 - 32 - by, 100 - 32 - by, 160 - 32 + by, 110 - 32 + by]
    np.testing.assert_allclose([left, top, right, bottom], expected, atol=2)


def test_large_lines_come_from_the_small_picture_and_the_others_from_the_large_one() -> None:
    small = np.stack([rectangle(100, 50, 160, 40), rectangle(100, 150, 80, 10), rectangle(300, 150, 40, 8)])
    large = np.stack([rectangle(160, 100, 70, 80), rectangle(240, 100, 60, 80), rectangle(202, 300, 150, 22)])
    merged = regions.merge(small, large, 0.5)
    middles = {tuple(middle) for middle in merged.mean(axis=1).round().tolist()}
    assert middles == {(200, 100), (202, 300), (600, 300)}


def test_columns_spell_a_text_with_doubled_letters_kept_apart_by_blanks() -> None:
    letters = ["a", "b", " "]
    columns = [0, 1, 1, 0, 1, 2, 2, 3, 0, 2]
    probabilities = np.full((len(columns), 4), 0.05, np.float32)
    probabilities[range(len(columns)), columns] = 0.8
    text, score = decode(probabilities, letters)
    assert text == "aab b"
    assert score == pytest.approx(0.8)
    assert decode(probabilities[:1], letters) == ("", 0.0)
