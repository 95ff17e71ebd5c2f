"""How much a correction would tell, and the order in which photos are corrected."""

from hypothesis import given
from hypothesis import strategies as st

from app.store.corrections import Waiting
from app.vision.analyses.objects.doubt import doubt
from app.web.common.by_doubt import AT_RANDOM, most_doubtful_first
from tests.unit.results import instances

SIZE = (240, 320)
HERE, THERE = (10, 20, 110, 90), (150, 60, 300, 220)


def of(*found: tuple[str, float, tuple[int, int, int, int]], threshold: float = 0.5) -> float:
    return doubt(instances(SIZE, found), threshold)


def test_where_nothing_was_found_there_is_no_doubt() -> None:
    assert of() == of(("car", 0.05, HERE)) == 0


def test_a_score_at_the_threshold_is_more_doubtful_than_a_sure_one() -> None:
    assert of(("car", 0.5, HERE)) > of(("car", 0.7, HERE)) > of(("car", 0.99, HERE))
    assert of(("car", 0.3, HERE), threshold=0.3) > of(("car", 0.3, HERE), threshold=0.8)


def test_more_scores_around_the_threshold_are_more_doubtful() -> None:
    assert of(("car", 0.55, HERE), ("car", 0.55, THERE)) > of(("car", 0.55, HERE))


def test_two_classes_on_one_place_are_doubtful_and_apart_are_not() -> None:
    apart = of(("car", 0.9, HERE), ("truck", 0.88, THERE))
    assert of(("car", 0.9, HERE), ("truck", 0.88, HERE)) > apart + 0.3
    assert of(("car", 0.9, HERE), ("car", 0.88, HERE)) < apart + 0.01


@given(st.lists(st.tuples(st.sampled_from(["car", "dog"]), st.floats(0.01, 1), st.just(HERE)), max_size=9))
def test_doubt_is_a_share(found: list[tuple[str, float, tuple[int, int, int, int]]]) -> None:
    assert 0 <= of(*found) <= 1


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_the_most_doubtful_come_first_and_some_at_random(doubts: list[float | None]) -> None:
    waiting = [Waiting(f"{(37 * n) % 101:03}", value) for n, value in enumerate(doubts)]
    order = most_doubtful_first(waiting)
    assert sorted(order) == sorted(waiting, key=lambda run: run.id) if None not in doubts else len(order) == len(doubts)
    assert order == most_doubtful_first(list(reversed(waiting)))
    by_doubt = [run for place, run in enumerate(order) if place % AT_RANDOM != AT_RANDOM - 1]
    shown = [-1.0 if run.doubt is None else run.doubt for run in by_doubt]
    assert shown == sorted(shown, reverse=True)


def test_every_fourth_photo_is_the_next_one_by_its_random_id() -> None:
    waiting = [Waiting(f"{9 - n}", n / 10) for n in range(9)]
    assert [run.id for run in most_doubtful_first(waiting)] == ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    sure = Waiting("0", 0.0)
    assert most_doubtful_first([*waiting, sure])[AT_RANDOM - 1] == sure
