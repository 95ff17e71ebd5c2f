"""Makes labels_layout.json: pictures with boxes and tags, and where each tag goes, for the server and the page alike.

Write it again after a change of the rules: `python -m tests.vectors.labels_layout`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from app.vision.render.labels_layout import place

FILE = Path(__file__).with_suffix(".json")
SEED = 14
RANDOM = 40

# Boxes, tags, [width, height] of the picture, and rectangles taken.
Layout = tuple[list[list[float]], list[list[int]], list[int], list[list[float]]]

NAMED: dict[str, Layout] = {
    "no objects": ([], [], [640, 480], []),
    "a lone object": ([[100, 80, 300, 200]], [[70, 20]], [400, 300], []),
    "a place above that is taken": ([[100, 80, 300, 200]], [[70, 20]], [400, 300], [[90, 50, 200, 90]]),
    "an object that fills the picture": ([[0, 0, 400, 300]], [[70, 20]], [400, 300], []),
    "a box that leaves the picture": (
        [[-60.5, -40.2, 80.7, 90.1], [350, 250, 460, 380]],
        [[70, 20]] * 2,
        [400, 300],
        [],
    ),
    "a box outside the picture": ([[500, 400, 600, 500]], [[70, 20]], [400, 300], []),
    "a box without area": ([[200, 150, 200, 150]], [[70, 20]], [400, 300], []),
    "halves of pixels": ([[100.5, 80.5, 175.5, 120.5], [201, 80, 290, 121]], [[41, 25], [40, 75]], [400, 300], []),
    "a tag larger than the picture": ([[10, 10, 40, 40], [50, 10, 90, 40]], [[120, 20], [60, 20]], [100, 50], []),
    "one object inside another": ([[50, 50, 350, 250], [150, 100, 200, 160]], [[70, 20]] * 2, [400, 300], []),
    "two tags for one place": ([[100, 80, 180, 200], [105, 80, 185, 200]], [[76, 20]] * 2, [400, 300], []),
    "twelve objects in one spot": ([[300, 200, 340, 240]] * 12, [[80, 18]] * 12, [640, 480], []),
    "more tags than there is room for": ([[10, 10, 90, 50]] * 9, [[60, 18]] * 9, [120, 60], [[0, 40, 100, 60]]),
}


def random_layout(random: np.random.Generator) -> Layout:
    """A photo's worth of boxes, from a few to a crowd, some of them beyond the edges."""
    width, height = (int(side) for side in random.integers(120, 900, 2))
    n = int(random.integers(1, 25))
    sides = np.exp(random.uniform(np.log(8), np.log(400), (n, 2)))
    centres = random.uniform(0, 1, (n, 2)) * [width, height]
    boxes = np.round(np.concatenate([centres - sides / 2, centres + sides / 2], 1), 1)
    font = int(random.integers(16, 40))
    tags = [[int(w), font] for w in random.integers(40, 180, n)]
    taken = [[6.0, height - 30.0, 180.0, height - 6.0]] if random.random() < 0.3 else []
    return boxes.tolist(), tags, [width, height], taken


def layouts() -> dict[str, Layout]:
    """All layouts by name."""
    random = np.random.default_rng(SEED)
    return NAMED | {f"random {i}": random_layout(random) for i in range(RANDOM)}


def placed(layout: Layout) -> list[dict[str, Any] | None]:
    """Where the server puts the tags of a layout."""
    boxes, tags, (width, height), taken = layout
    at = place(np.array(boxes), np.array(tags), (height, width), np.array(taken))
    return [p and {"x": p.x, "y": p.y, "leader": list(p.leader) if p.leader else None} for p in at]


def main() -> None:
    """Write the file."""
    lines = []
    for name, layout in layouts().items():
        vector = dict(zip(("boxes", "tags", "size", "taken"), layout, strict=True))
        lines.append(json.dumps({"name": name, **vector, "places": placed(layout)}, separators=(",", ":")))
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
