"""Numbers and times as people say them."""

from datetime import UTC, datetime

import pytest

from app.web.common import words


def test_a_percentage_stays_in_one_piece() -> None:
    assert words.percent(0.9999) == f"99{words.NBSP}%"


@pytest.mark.parametrize(("n", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th")])
def test_ordinals_end_as_in_english(n: int, text: str) -> None:
    assert words.ordinal(n) == text


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.04 s"), (0.914, "0.9 s"), (12.3, "12 s"), (150, "2 min")])
def test_seconds_have_as_many_digits_as_matter(value: float, text: str) -> None:
    assert words.seconds(value) == text.replace(" ", words.NBSP)


def test_a_day_of_another_year_names_it() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert words.day(datetime(2026, 11, 28, tzinfo=UTC), now) == "28\u00a0Nov"
    assert words.day(datetime(2027, 1, 2, tzinfo=UTC), now) == "2\u00a0Jan\u00a02027"


def test_a_waiting_run_shows_position_and_seconds() -> None:
    assert words.waiting("queued", 1, None) == "Next in the queue"
    assert words.waiting("queued", 2, 4.2) == "2nd in the queue, about\u00a04\u00a0s"
    assert words.waiting("running", None, 0.3) == "Looking at the photo, about\u00a01\u00a0s"


def test_code_between_backticks_is_marked_and_the_rest_escaped() -> None:
    assert words.code("run `make <x>` & wait") == "run <code>make &lt;x&gt;</code> &amp; wait"


@pytest.mark.parametrize(
    ("name", "several"),
    [
        ("person", "persons"),
        ("bus", "buses"),
        ("wine glass", "wine glasses"),
        ("toothbrush", "toothbrushes"),
        ("knife", "knives"),
        ("sheep", "sheep"),
        ("strawberry", "strawberries"),
        ("key", "keys"),
        ("قطة", "قطة"),
        ("EAN-13", "EAN-13"),
    ],
)
def test_names_of_classes_have_a_plural(name: str, several: str) -> None:
    assert words.plural(name) == several


def test_a_tally_names_the_most_frequent_and_counts_the_other_classes() -> None:
    assert words.tally({}) == ""
    assert words.tally({"dog": 1, "person": 3}).replace(words.NBSP, " ") == "3 persons, 1 dog"
    counts = {"a": 5, "b": 4, "c": 3, "d": 2, "e": 1}
    assert words.tally(counts).replace(words.NBSP, " ") == "5 as, 4 bs, 3 cs and 2 more"


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["cat"], "cat"), (["cat", "dog"], "cat and dog"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_in_a_sentence(names: list[str], text: str) -> None:
    assert words.listed(names) == text
