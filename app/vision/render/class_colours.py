"""The colours of what was found in one photo."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Self

from app.vision.analyses.registry import ordered
from app.vision.render.palette import colours_apart, object_colour
from app.vision.results import Analysed, Result
from app.vision.rows import Row
from app.vision.view import View


@dataclass(frozen=True)
class Colours:
    """The colours of one photo's results as #rrggbb, whatever the view.

    classes: of each class with a place in the photo; what is surest keeps its own. objects: of each row with a place
    and without a layer of its own, by kind of result and place in it.
    """

    classes: Mapping[str, str]
    objects: Mapping[tuple[str, int], str]

    @classmethod
    def of(cls, results: Mapping[str, Analysed]) -> Self:
        """The colours of a photo's results."""
        places = count()
        names: list[str] = []
        objects: dict[tuple[str, int], str] = {}
        for result in (analysed.result for analysed in ordered(results)):
            placed = [(index, row) for index, row in enumerate(result.rows()) if row.box is not None]
            names += [row.name for _, row in placed]
            objects |= {(result.kind, index): object_colour(next(places)) for index, row in placed if not row.layer}
        return cls(colours_apart(names), objects)

    def own(self, result: Result, index: int, row: Row) -> str:
        """The colour of one object; of its class if it has none."""
        return self.objects.get((result.kind, index), self.classes[row.name])

    def pick(self, view: View, result: Result, index: int, row: Row) -> str:
        """The colour in which a view shows a row."""
        return self.own(result, index, row) if view.colours == "object" else self.classes[row.name]
