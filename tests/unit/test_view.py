"""Views: read from arguments, written back, applied to instances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app.errors import BadRequest
from app.vision.analyses.objects.result import Instances
from app.vision.rows import RLE, Row
from app.vision.view import View, percent

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@st.composite
def views(draw: st.DrawFn) -> View:
    classes = tuple(draw(st.lists(NAMES.filter(str.strip), max_size=4)))
    return View(
        threshold=draw(st.floats(0, 1)),
        classes=classes or None,
        exclude=tuple(draw(st.lists(NAMES, max_size=3))),
        masks=draw(st.booleans()),
        boxes=draw(st.booleans()),
        labels=draw(st.booleans()),
        max_size=draw(st.none() | st.integers(16, 16384)),
        format=draw(st.sampled_from(["jpeg", "png", "webp"])),
        faces=draw(st.booleans()),
    )


def found(scores: list[float], names: list[str]) -> Instances:
    classes = tuple(dict.fromkeys(names))
    labels = np.array([classes.index(name) for name in names], np.int64)
    masks = tuple(RLE((9, 9), str(i)) for i in range(len(scores)))
    boxes = np.arange(4 * len(scores), dtype=np.float32).reshape(-1, 4)
    return Instances((9, 9), classes, boxes, np.array(scores, np.float32), labels, masks)


@given(views())
def test_a_view_comes_back_from_its_own_arguments(view: View) -> None:
    assert View.from_args(view.to_args(), 0.25) == view


@given(views(), views())
def test_keys_are_equal_exactly_when_views_are(one: View, other: View) -> None:
    assert (one.key() == other.key()) == (one == other)
    assert View.from_args(one.to_args()).key() == one.key()


@given(st.dictionaries(st.sampled_from(["threshold", "classes", "masks", "max_size", "format"]), st.text(max_size=12)))
def test_any_text_is_read_or_refused_with_one_sentence(args: dict[str, str]) -> None:
    try:
        view = View.from_args(args)
    except BadRequest as refused:
        said = refused.message
    else:
        said = "Fine." if 0 <= view.threshold <= 1 else ""
    assert said.endswith((".", "?"))


def test_nothing_given_is_everything_above_the_default() -> None:
    assert View.from_args({}, 0.4) == View(threshold=0.4)
    assert View.from_args({"threshold": "", "classes": " ", "max_size": ""}, 0.4) == View(threshold=0.4)


@pytest.mark.parametrize("text", ["0.25", ".25", "25%", " 25 % ", "25.0%"])
def test_a_threshold_is_a_share_or_a_percentage(text: str) -> None:
    assert View.from_args({"threshold": text}).threshold == 0.25


@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "-0.1", "1.01", "50", "101%", "half", "0x1", "1e-1", "\N{ARABIC-INDIC DIGIT ZERO}.5", "0.5.5"],
)
def test_any_other_threshold_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="threshold must be a number from 0 to 1"):
        View.from_args({"threshold": text})


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"masks": "maybe"}, "masks must be 1 or 0, not 'maybe'."),
        ({"max_size": "15"}, "max_size must be a whole number of pixels from 16 to 16384."),
        ({"max_size": "1e3"}, "max_size must be a whole number"),
        ({"format": "gif"}, "format must be one of jpeg, png, webp, not 'gif'."),
        ({"treshold": "0.5"}, "There is no argument 'treshold'; did you mean threshold?"),
        ({"class": "car"}, "did you mean classes?"),
    ],
)
def test_what_cannot_be_understood_is_said_plainly(args: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        View.from_args(args)
    assert message in refused.value.message


def test_arguments_of_others_are_left_alone() -> None:
    assert View.from_args({"plain": "1", "v": "3", "cursor": "abc"}) == View()


def test_lists_may_be_repeated_or_separated_by_commas() -> None:
    expected = View(classes=("car", "dining table", "dog"))
    assert View.from_args({"classes": "dog, car,dining table,"}) == expected
    assert View.from_args(MultiDict([("classes", "dog"), ("classes", "car,dining table")])) == expected
    assert View.from_args({"classes": ["dog", "dining table", "car"]}) == expected


def test_of_a_repeated_flag_the_last_counts() -> None:
    assert View.from_args(MultiDict([("masks", "0"), ("masks", "1")])).masks
    assert not View.from_args(MultiDict([("masks", "0")])).masks
    assert not View.from_args({"masks": False}).masks


def test_a_name_may_hold_a_comma() -> None:
    view = View(classes=("tench, Tinca tinca", "back\\slash"))
    assert View.from_args(view.to_args()) == view
    assert view.shows("tench, Tinca tinca")


def test_jpg_is_jpeg() -> None:
    assert View.from_args({"format": "JPG"}).media_type == "image/jpeg"


def test_selection_is_by_score_and_class_and_keeps_parallel_values_together() -> None:
    rows = found([0.9, 0.8, 0.5, 0.4999], ["car", "dog", "Car", "car"]).rows()

    def names(view: View) -> list[str]:
        return [row.name for row in view.select(rows)]

    assert names(View(0.5)) == ["car", "dog", "Car"]
    shown = View(0.5, classes=("CAR",)).select(rows)
    assert [row.name for row in shown] == ["car", "Car"]
    assert [row.mask for row in shown] == [RLE((9, 9), "0"), RLE((9, 9), "2")]
    assert [row.box for row in shown] == [(0, 1, 2, 3), (8, 9, 10, 11)]
    assert names(View(0.5, exclude=("car",))) == ["dog"]
    assert names(View(0.5, classes=("car", "dog"), exclude=("dog",))) == ["car", "Car"]


def test_a_row_of_a_layer_is_shown_only_while_the_layer_is_on() -> None:
    rows = [Row("face", "face", 0.9, layer="faces"), Row("object", "car", 0.9)]
    assert View(0.5).select(rows) == rows
    assert View(0.5, faces=False).select(rows) == rows[1:]


def test_nothing_is_selected_of_no_rows() -> None:
    assert len(View().select(found([], []).rows())) == 0


@given(st.integers(0, 10_000))
def test_a_score_stored_as_float32_reaches_the_threshold_that_it_shows(steps: int) -> None:
    share = steps / 10_000
    row = Row("object", "car", float(np.float32(share)))
    assert View(share).reaches(row)
    assert row.shown_score == share


def test_the_plain_view_draws_nothing() -> None:
    assert not View.plain(300).draws
    assert View(masks=False, boxes=False, faces=False).draws


@pytest.mark.parametrize(
    ("score", "text"),
    [(0, "0 %"), (0.002, "1 %"), (0.051, "5 %"), (0.065, "7 %"), (0.984, "98 %"), (0.999, "99 %"), (1.0, "100 %")],
)
def test_a_percentage_is_rounded_as_browsers_do_and_claims_no_certainty(score: float, text: str) -> None:
    assert percent(score) == text
