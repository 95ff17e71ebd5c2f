"""A stored result as JSON for the browser, which draws and filters it without further requests."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from app.vision import masks
from app.vision.analyses.registry import ordered
from app.vision.render.class_colours import Colours
from app.vision.render.palette import text_colour
from app.vision.results import Analysed, Result
from app.vision.rivals import surest
from app.vision.rows import RLE, Row

# Raised when the same results give another overlay, which invalidates the cache.
VERSION = "3"


def overlay(results: Mapping[str, Analysed], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """Everything stored, at every score, ready to draw.

    Args:
        results: stored results by analyzer.
        size: (height, width) of the photo, for results that do not say it.

    Returns:
        width, height: of the photo (None if unknown).
        instances: each with id (its place in the stored result, best first), class, score (four decimals), colour,
            text_colour, box [x1, y1, x2, y2] and polygons: rings [x, y, x, y, ...] of whole pixels, outlines and holes
            alike, to be filled by the even-odd rule; none for a model without masks. Those of other analyses than
            objects say their kind, and may have a text, corners [x, y] of a quadrilateral, and tagged false. own: the
            colours by object; rival_of: the id of the surest guess at the same thing, if it is another.
        faces: id, class, score, colour, text_colour, box and five landmarks [x, y].
        labels: name and score of what the whole photo shows.
        classes: name, colour, text_colour and count of each class found, the most frequent first.
        counts: number of instances (and faces) by class.
    """
    listed = [analysed.result for analysed in ordered(results)]
    rows = [_Placed(result, place, row) for result in listed for place, row in enumerate(result.rows())]
    placed = [one for one in rows if one.row.box is not None]
    instances = [one for one in placed if not one.row.layer]
    faces = [one for one in placed if one.row.layer == "faces"]
    height, width = next((result.size for result in listed if result.size), size or (None, None))
    counts = Counter(one.row.name for one in placed)
    colours = Colours.of(results)
    surer = _surer(listed, instances)
    return {
        "width": width,
        "height": height,
        "instances": [_entry(id, one, colours) | surer[id] for id, one in enumerate(instances)],
        "faces": [_entry(id, one, colours) for id, one in enumerate(faces)],
        "labels": [{"name": one.row.name, "score": one.row.shown_score} for one in rows if one.row.box is None],
        "classes": [
            {"name": name, "count": count, **_colours(colours.classes[name])} for name, count in counts.most_common()
        ],
        "counts": dict(counts),
    }


def rings(rle: RLE) -> list[list[int]]:
    """A mask's outlines and holes as [x, y, x, y, ...], simplified as far as a screen does not show it."""
    components = masks.components(rle, masks.unseen_tolerance(rle))
    outlines = [ring for component in components for ring in (component.outline, *component.holes)]
    return [ring.round().astype(int).ravel().tolist() for ring in outlines]


class _Placed(NamedTuple):
    """A row, and its place in the result that it is from."""

    result: Result
    place: int
    row: Row


def _surer(results: Sequence[Result], instances: Sequence[_Placed]) -> list[dict[str, int]]:
    """For each instance what names the surest guess at the same thing, if it is another."""
    ids = {(one.result.kind, one.place): id for id, one in enumerate(instances)}
    places = {result.kind: surest(result.rows()) for result in results}
    first = [ids[one.result.kind, places[one.result.kind][one.place]] for one in instances]
    return [{} if other == id else {"rival_of": other} for id, other in enumerate(first)]


def _entry(id: int, one: _Placed, colours: Colours) -> dict[str, Any]:
    row = one.row
    entry = {
        "id": id,
        "class": row.name,
        "score": row.shown_score,
        **_colours(colours.classes[row.name]),
        "own": _colours(colours.own(*one)),
        "box": _pixels(row.box),
    }
    if row.points:
        return entry | {"landmarks": [_pixels(point) for _, point in row.points]}
    return entry | {"polygons": rings(row.mask) if row.mask else [], **_written(row)}


def _written(row: Row) -> dict[str, Any]:
    """The members of an entry that only rows with a text or a kind of their own have."""
    members: dict[str, Any] = {} if row.kind == "object" else {"kind": row.kind}
    if row.corners:
        members["corners"] = [_pixels(point) for point in row.corners]
    if row.text:
        members["text"] = row.text
    return members if row.tagged else {**members, "tagged": False}


def _colours(colour: str) -> dict[str, str]:
    return {"colour": colour, "text_colour": text_colour(colour)}


def _pixels(values: Sequence[float] | None) -> list[float]:
    rounded: list[float] = np.round(np.asarray(values, np.float64), 1).tolist()
    return rounded
