"""scripts/architecture.py, and the picture that it drew."""

from scripts import architecture
from tests.conftest import ROOT


def test_the_picture_shows_the_imports_as_they_are() -> None:
    drawn = (ROOT / "docs" / "architecture.svg").read_text()
    assert drawn == architecture.svg(architecture.room_graph()), "run `python scripts/architecture.py`"


def test_every_room_has_its_line_in_the_picture() -> None:
    assert set(architecture.room_graph()) == set(architecture.ROOMS)


def test_no_rooms_import_each_other_in_a_circle() -> None:
    assert architecture.circle(architecture.room_graph()) == []


def test_a_circle_is_found() -> None:
    edges = {"web": {"queue"}, "queue": {"store"}, "store": {"queue"}, "errors": set()}
    assert architecture.circle(edges) == ["queue", "store", "queue"]


def test_an_arrow_that_others_imply_is_left_out() -> None:
    edges = {"web": {"store", "errors"}, "store": {"errors"}, "errors": set()}
    assert architecture.reduced(edges) == {"web": {"store"}, "store": {"errors"}, "errors": set()}


def test_a_room_stands_above_all_that_it_imports() -> None:
    edges = architecture.room_graph()
    heights = architecture.levels(edges)
    assert all(heights[name] > heights[target] for name, targets in edges.items() for target in targets)
