"""The colours of what was found in one photo."""

from collections.abc import Mapping

from app.vision.analyses.registry import ordered
from app.vision.render.palette import colours_apart
from app.vision.results import Analysed


def class_colours(results: Mapping[str, Analysed]) -> dict[str, str]:
    """#rrggbb of each class with a place in a photo's results, whatever the view: what is surest keeps its own."""
    rows = (row for analysed in ordered(results) for row in analysed.result.rows())
    return colours_apart(row.name for row in rows if row.box is not None)
