"""Guesses at the same thing under several classes are one shape, wherever they are shown and counted."""

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app.vision import masks
from app.vision.export import export
from app.vision.render.drawing import Item
from app.vision.render.overlay import overlay
from app.vision.render.picture import annotate
from app.vision.results import Analysed
from app.vision.rivals import OVERLAP, counted, shapes, surest
from app.vision.rows import Row
from app.vision.view import View
from app.web.pages.views import result_lists
from tests.unit.results import CARD, instances, objects
from tests.unit.test_export import item

DOG, BEAR, CAT = (10, 10, 110, 110), (10, 10, 110, 112), (12, 10, 110, 110)
FOUND = objects(
    (200, 300), ("dog", 0.91, DOG), ("bear", 0.8, BEAR), ("car", 0.7, (150, 20, 290, 90)), ("cat", 0.3, CAT)
)
ROWS = FOUND["objects"].result.rows()
BOX = (0.0, 0.0, 100.0, 100.0)


def row(name: str, score: float, box: Any = BOX, **more: Any) -> Row:
    return Row("object", name, score, box, **more)


def shown(view: View) -> list[tuple[str, list[str]]]:
    return [(shape.row.name, [rival.name for rival in shape.rivals]) for shape in shapes(ROWS, view)]


def test_what_overlaps_under_another_class_stands_with_the_surest() -> None:
    assert surest(ROWS) == [0, 0, 2, 0]
    assert shown(View(0.5)) == [("dog", ["bear"]), ("car", [])]
    assert shown(View(0.05)) == [("dog", ["bear", "cat"]), ("car", [])]
    assert shown(View(0.85)) == [("dog", [])]


def test_tiles_count_the_surest_only() -> None:
    assert [one.name for one in counted(ROWS)] == ["dog", "car"]


def test_without_the_surest_the_next_one_leads() -> None:
    assert shown(View(0.05, exclude=("dog",))) == [("bear", ["cat"]), ("car", [])]


@pytest.mark.parametrize(
    "other",
    [
        row("dog", 0.8),
        row("bear", 0.8, (0.0, 0.0, 100.0, 79.0)),
        row("bear", 0.8, None),
        row("bear", 0.8, text="bear"),
        row("bear", 0.8, points=(("nose", (1.0, 1.0)),)),
    ],
    ids=["its class", "its box", "no box", "a text", "points"],
)
def test_what_differs_stays_a_shape_of_its_own(other: Row) -> None:
    assert surest([row("dog", 0.9), other]) == [0, 1]


def test_masks_decide_where_both_have_one() -> None:
    left, right = np.zeros((100, 100), bool), np.zeros((100, 100), bool)
    left[:, :55], right[:, 45:] = True, True
    dog, bear = row("dog", 0.9, mask=masks.from_bitmap(left)), row("bear", 0.8, mask=masks.from_bitmap(right))
    assert surest([dog, bear]) == [0, 1]
    assert surest([dog, replace(bear, mask=None)]) == [0, 0]


rows = st.lists(
    st.builds(
        row,
        st.sampled_from("abc"),
        st.floats(0.05, 1),
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(18, 24), st.integers(18, 24)).map(
            lambda box: tuple(float(value) for value in box)
        ),
    ),
    max_size=12,
)


@given(rows, st.floats(0, 1))
def test_each_row_shown_stands_in_one_shape_led_by_its_best(found: list[Row], threshold: float) -> None:
    view = View(threshold)
    made = shapes(found, view)
    together = [one for shape in made for one in (shape.row, *shape.rivals)]
    assert sorted(map(id, together)) == sorted(map(id, view.select(found)))
    for shape in made:
        scores = [shape.row.score, *(rival.score for rival in shape.rivals)]
        assert scores == sorted(scores, reverse=True)
        assert len({one.name for one in (shape.row, *shape.rivals)}) == len(scores)
    places = surest(found)
    for i, first in enumerate(places):
        assert places[first] == first
        if first != i:
            a, b = found[i].box, found[first].box
            assert a
            assert b
            shared = (min(a[2], b[2]) - max(a[0], b[0])) * (min(a[3], b[3]) - max(a[1], b[1]))
            whole = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
            assert shared / whole > OVERLAP


def test_page_picture_and_tally_count_them_once() -> None:
    lists = result_lists(FOUND, View(0.5))
    assert [(one.name, one.rivals) for one in lists.rows] == [("dog", (("bear", pytest.approx(0.8)),)), ("car", ())]
    assert [(chip.name, chip.count) for chip in lists.chips] == [("dog", 1), ("car", 1)]
    assert lists.tally == "dog, car"
    texts = [Item.of(shape, "#000000", (1, 1), View()).text for shape in shapes(ROWS, View(0.5))]
    assert texts == ["dog 91 %, or bear 80 %", "car 70 %"]
    alone = {"objects": Analysed(CARD, instances((200, 300), [("dog", 0.91, DOG)]))}
    view = View(0.5, labels=False, classes=("dog", "bear"))
    blank = np.full((200, 300, 3), 120, np.uint8)
    assert np.array_equal(annotate(blank.copy(), FOUND, view), annotate(blank.copy(), alone, view))


def test_a_hidden_class_keeps_its_chip() -> None:
    lists = result_lists(FOUND, View.from_args(MultiDict({"exclude": "bear"})))
    assert [(chip.name, chip.count, chip.shown) for chip in lists.chips] == [
        ("dog", 1, True),
        ("bear", 1, False),
        ("car", 1, True),
    ]


def test_the_overlay_says_whose_rival_each_is() -> None:
    assert [entry.get("rival_of") for entry in overlay(FOUND)["instances"]] == [None, 0, None, 0]


def test_exports_keep_each() -> None:
    table = export([item(results=FOUND)], "csv", View(0.05)).read().decode("utf-8-sig")
    assert [line["class"] for line in csv.DictReader(io.StringIO(table))] == ["dog", "bear", "car", "cat"]
