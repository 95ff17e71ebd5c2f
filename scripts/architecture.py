#!/usr/bin/env python3
"""Draw `docs/architecture.svg` from the imports: the rooms of `app/`, each above everything that it imports.

    python scripts/architecture.py            write the picture
    python scripts/architecture.py --check    exit with 1 where it is not the one in docs/

An import counts wherever it is, and so does the name of a module in a string; `tests/unit/test_layers.py` checks the
same graph. An arrow that others imply is left out. Standard library only.
"""

import ast
import sys
from collections.abc import Collection, Iterator, Mapping
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"

# What stands in the box of a room.
ROOMS = {
    "launch": "starts and keeps all processes",
    "web": "pages, API, classic APIs",
    "sketch": "recognises drawings",
    "worker": "analyses, webhooks, maintenance",
    "cli": "flask commands",
    "training": "fine-tuning, evaluation",
    "client": "Python client, HTTP only",
    "queue": "what web and worker share",
    "store": "database, blobs",
    "datasets": "photos with their truth",
    "vision": "analyses, engine, pictures, exports",
    "intake": "bytes in: limits, decoding, fetching",
    "config": "every setting",
    "system": "CPUs, memory, processes",
    "errors": "public messages, statuses",
}

# What puts the rooms together: the factory, and the list of web rooms, which alone names the drawing recogniser.
FACTORY = ("app", "app.web")

Graph = dict[str, set[str]]

# Pixels.
BOX_WIDTH, BOX_HEIGHT, GAP, LEVEL, MARGIN = 228, 52, 24, 100, 24
PASSAGE = 12  # the width that an arrow takes where it passes a level


def modules() -> dict[str, Path]:
    """Every module of `app/` by its dotted name."""
    paths = sorted((ROOT / "app").rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports, in functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names_in(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports, and strings by which `import_module`, gunicorn or RQ would find a module."""
    yield from imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield node.value.removeprefix("python:").partition(":")[0]


def module_of(name: str, known: Collection[str]) -> str | None:
    """The module that a dotted name leads to: itself, or the one that holds the name. The factory, `app`, is none."""
    while name not in known and "." in name:
        name = name.rpartition(".")[0]
    return name if name in known and name != "app" else None


def module_graph() -> Graph:
    """Each module with the modules that it imports or names."""
    known = modules()
    graph: Graph = {}
    for name, path in known.items():
        targets = {module_of(each, known) for each in names_in(ast.parse(path.read_text())) if each.startswith("app.")}
        graph[name] = {target for target in targets if target and target != name}
    return graph


def room_graph() -> Graph:
    """Each room with the rooms that its modules import. The factory and its list of web rooms are left out."""
    graph: Graph = {}
    for module, targets in module_graph().items():
        if module not in FACTORY:
            room = module.split(".")[1]
            graph.setdefault(room, set()).update({target.split(".")[1] for target in targets} - {room})
    return graph


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """Rooms that import each other in a circle; empty where there are none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for target in sorted(edges[name]):
                if found := walk(target, [*path, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(edges) if (found := walk(name, []))), [])


def reachable(edges: Mapping[str, set[str]], start: str) -> set[str]:
    """Everything that a room imports, directly or through others."""
    return set().union(*({target, *reachable(edges, target)} for target in edges[start]))


def reduced(edges: Mapping[str, set[str]]) -> Graph:
    """The graph without the arrows that others imply."""
    return {
        name: {t for t in targets if not any(t in reachable(edges, other) for other in targets - {t})}
        for name, targets in edges.items()
    }


def levels(edges: Mapping[str, set[str]]) -> dict[str, int]:
    """Each room's height above the rooms that import nothing; those without any arrow are at the top."""
    heights: dict[str, int] = {}
    for name in sorted(edges, key=lambda name: len(reachable(edges, name))):
        heights[name] = 1 + max((heights[target] for target in edges[name]), default=-1)
    alone = {name for name in edges if not edges[name] and not any(name in targets for targets in edges.values())}
    return heights | dict.fromkeys(alone, max(heights.values()))


def arranged(edges: Graph, heights: Mapping[str, int]) -> tuple[list[list[str]], list[list[str]]]:
    """The levels from the top, each from left to right, and the way of every arrow, from its room to its target.

    An arrow that crosses a level has a place of its own there, named `room>target@height`.
    """
    ways = []
    for name in sorted(edges):
        for target in sorted(edges[name]):
            between = [f"{name}>{target}@{height}" for height in range(heights[name] - 1, heights[target], -1)]
            ways.append([name, *between, target])
    rows: list[list[str]] = [[] for _ in range(max(heights.values()) + 1)]
    for name in sorted(edges):
        rows[heights[name]].append(name)
    for way in ways:
        for place in way[1:-1]:
            rows[int(place.rpartition("@")[2])].append(place)
    neighbours: dict[str, list[str]] = {place: [] for row in rows for place in row}
    for way in ways:
        for upper, lower in pairwise(way):
            neighbours[upper].append(lower)
            neighbours[lower].append(upper)
    for _ in range(24):  # sweeps; more change nothing
        for row in rows:
            position = {place: index / len(other) for other in rows for index, place in enumerate(other)}
            row.sort(key=lambda place: _mean([position[n] for n in neighbours[place]]))
    return rows[::-1], ways


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def svg(edges: Graph) -> str:
    """The picture. The same imports give the same bytes."""
    edges = reduced(edges)
    rows, ways = arranged(edges, levels(edges))
    widths = [sum(_width(place) + GAP for place in row) - GAP for row in rows]
    total = max(widths) + 2 * MARGIN
    left: dict[str, float] = {}
    top: dict[str, int] = {}
    for number, (row, width) in enumerate(zip(rows, widths, strict=True)):
        x = (total - width) / 2
        for place in row:
            left[place], top[place] = x, MARGIN + number * LEVEL
            x += _width(place) + GAP
    height = MARGIN * 2 + (len(rows) - 1) * LEVEL + BOX_HEIGHT
    middle = {place: x + _width(place) / 2 for place, x in left.items()}
    boxes = [_box(name, left[name], top[name]) for name in sorted(edges)]
    return "\n".join([*_head(total, height), *(_arrow(way, middle, top) for way in ways), *boxes, "</svg>", ""])


def _width(place: str) -> int:
    return PASSAGE if ">" in place else BOX_WIDTH


def _head(width: float, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" font-family="sans-serif">',
        "<title>The rooms of Flask Detector; an arrow leads from a room to one that it imports</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#667085"/></marker></defs>',
        f'<rect width="{width:g}" height="{height}" rx="12" fill="#ffffff"/>',
    ]


def _arrow(way: list[str], middle: Mapping[str, float], top: Mapping[str, int]) -> str:
    x, y = middle[way[0]], top[way[0]] + BOX_HEIGHT
    path = [f"M{x:g} {y}"]
    for place in way[1:]:
        end, bend = top[place], (y + top[place]) / 2
        path.append(f"C{x:g} {bend:g} {middle[place]:g} {bend:g} {middle[place]:g} {end}")
        x, y = middle[place], end
        if place != way[-1]:
            y += BOX_HEIGHT
            path.append(f"V{y}")
    return f'<path d="{" ".join(path)}" fill="none" stroke="#667085" stroke-width="1.5" marker-end="url(#tip)"/>'


def _box(name: str, x: float, y: int) -> str:
    middle = x + BOX_WIDTH / 2
    return (
        f'<rect x="{x:g}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8" fill="#eef4ff" stroke="#2f6fde"/>'
        f'<text x="{middle:g}" y="{y + 22}" font-size="15" font-weight="600" fill="#101828" text-anchor="middle">'
        f'{escape(name)}</text><text x="{middle:g}" y="{y + 40}" font-size="12" fill="#475467" text-anchor="middle">'
        f"{escape(ROOMS[name])}</text>"
    )


def main() -> int:
    edges = room_graph()
    if set(edges) != set(ROOMS):
        print(f"ROOMS in {Path(__file__).name} and app/ differ: {set(edges) ^ set(ROOMS)}", file=sys.stderr)
        return 1
    if found := circle(edges):
        print(f"These rooms import each other: {' -> '.join(found)}", file=sys.stderr)
        return 1
    if "--check" in sys.argv:
        return 0 if PICTURE.read_text() == svg(edges) else 1
    PICTURE.write_text(svg(edges))
    return 0


if __name__ == "__main__":
    sys.exit(main())
