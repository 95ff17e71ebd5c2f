"""The layers of `app/`, as its imports draw them: arrows point downwards, and nothing imports itself in a circle.

`scripts/architecture.py` reads the graph, and draws it.
"""

import ast
from collections.abc import Mapping

import pytest

from scripts.architecture import imports, module_graph, module_of, modules, names_in

# From the top. A room imports rooms of lower layers, and of its own layer none but itself.
LAYERS = (
    ("launch",),
    ("app",),  # the factory
    ("web", "cli", "worker"),  # of `web` this is only the list of its rooms
    ("sketch.web",),
    ("web.api", "web.classic", "web.pages", "web.ops"),
    ("web.common",),
    ("queue",),
    ("store",),
    ("training",),  # the worker of the trainings starts it
    ("datasets",),
    ("vision", "sketch.training"),
    ("sketch", "intake"),
    ("config", "system", "errors"),
    ("client",),  # imports nothing of the others, and nothing imports it
)
# Rooms with rooms inside; what is not in one of them belongs to the outer room.
DIVIDED = ("web", "sketch")
# Rooms that may import torch at the top of a module.
TORCH_ROOMS = ("training", "sketch.training", "vision")
TORCH = {"torch", "torchvision", "mmcv", "mmdet"}
# Only the list of web rooms names the drawing recogniser, which could be deleted.
KNOW_THE_SKETCH = {"app.web"}


def room_of(module: str) -> str:
    """The room that a module belongs to."""
    parts = module.split(".")[1:]
    if not parts:
        return "app"
    inner = ".".join(parts[:2])
    return inner if parts[0] in DIVIDED and inner in LAYER else parts[0]


LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
GRAPH = module_graph()


def rising(edges: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """The arrows between modules of different rooms that do not lead to a lower layer."""
    pairs = {(source, target) for source, targets in edges.items() for target in targets}
    return {(a, b) for a, b in pairs if room_of(a) != room_of(b) and LAYER[room_of(a)] >= LAYER[room_of(b)]}


def circles(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Modules that lead back to themselves, sorted, with all that are in the same circle."""
    reach = {name: set(targets) for name, targets in edges.items()}
    for middle in edges:  # Warshall's transitive closure
        for targets in reach.values():
            if middle in targets:
                targets |= reach.get(middle, set())
    found = {tuple(sorted(b for b in reach[a] if a in reach.get(b, set()))) for a in edges if a in reach[a]}
    return [list(circle) for circle in sorted(found)]


def test_every_module_is_in_a_known_room() -> None:
    assert {room_of(module) for module in GRAPH} == set(LAYER)


def test_no_arrow_points_upwards() -> None:
    assert rising(GRAPH) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles(GRAPH) == []


def test_the_client_imports_nothing_of_the_rest() -> None:
    pairs = {(room_of(source), room_of(target)) for source, targets in GRAPH.items() for target in targets}
    assert {pair for pair in pairs if "client" in pair} == {("client", "client")}


def test_the_sketch_could_be_deleted() -> None:
    users = {module for module, targets in GRAPH.items() if any(target.startswith("app.sketch") for target in targets)}
    assert {module for module in users if not module.startswith("app.sketch")} == KNOW_THE_SKETCH


def test_torch_is_imported_in_the_rooms_for_it_alone() -> None:
    users = {
        room_of(module)
        for module, path in modules().items()
        if {name.partition(".")[0] for name in imports(ast.parse(path.read_text()))} & TORCH
    }
    assert users <= set(TORCH_ROOMS)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import app.store.runs", "app.store.runs"),
        ("from app.store import runs", "app.store.runs"),
        ("def late():\n    from app.store.runs import Runs", "app.store.runs"),
        ("TASK = 'app.worker.tasks.analyse'", "app.worker.tasks"),
        ("LOADER = 'app.worker.tasks:analyse'", "app.worker.tasks"),
        ("CONFIG = 'python:app.launch.gunicorn'", "app.launch.gunicorn"),
    ],
)
def test_every_kind_of_import_is_seen(line: str, name: str) -> None:
    assert name in {module_of(each, modules()) for each in names_in(ast.parse(line))}


def test_an_arrow_upwards_and_a_circle_are_found() -> None:
    edges = {"app.store.runs": {"app.queue.jobs"}, "app.queue.jobs": {"app.store.runs", "app.queue.submit"}}
    edges |= {"app.queue.submit": {"app.queue.jobs"}}
    assert rising(edges) == {("app.store.runs", "app.queue.jobs")}
    assert circles(edges) == [["app.queue.jobs", "app.queue.submit", "app.store.runs"]]
    assert rising({"app.web.api": {"app.web.pages"}}) == {("app.web.api", "app.web.pages")}
