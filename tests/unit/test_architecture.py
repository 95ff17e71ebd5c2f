"""scripts/architecture.py, and the picture that it drew."""

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "scripts" / "architecture.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_shows_the_imports_as_they_are(script: ModuleType) -> None:
    drawn = (ROOT / "docs" / "architecture.svg").read_text()
    assert drawn == script.svg(script.graph()), "run `python scripts/architecture.py`"


def test_every_room_has_its_line_in_the_picture(script: ModuleType) -> None:
    assert script.rooms() == sorted(script.ROOMS)


def test_no_rooms_import_each_other_in_a_circle(script: ModuleType) -> None:
    assert script.circle(script.graph()) == []


def test_a_circle_is_found(script: ModuleType) -> None:
    edges = {"web": {"queue"}, "queue": {"store"}, "store": {"queue"}, "errors": set()}
    assert script.circle(edges) == ["queue", "store", "queue"]


def test_an_arrow_that_others_imply_is_left_out(script: ModuleType) -> None:
    edges = {"web": {"store", "errors"}, "store": {"errors"}, "errors": set()}
    assert script.reduced(edges) == {"web": {"store"}, "store": {"errors"}, "errors": set()}


def test_a_room_stands_above_all_that_it_imports(script: ModuleType) -> None:
    edges = script.graph()
    heights = script.levels(edges)
    assert all(heights[name] > heights[target] for name, targets in edges.items() for target in targets)
