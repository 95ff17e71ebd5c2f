"""The truth of a photo as a result, which pictures and exports show like any other."""

from dataclasses import dataclass
from typing import Any, Self

from app.datasets.truth import Truth
from app.vision.coco import GROUPS
from app.vision.results import Analysed, ModelCard, Result
from app.vision.rows import Category, Row

CARD = ModelCard("objects", "truth", "Truth", "1", "")


@dataclass(frozen=True)
class Truths(Result):
    """The objects of a photo. size: (height, width); classes: all of the data set."""

    kind = "truth"
    noun = "object"

    size: tuple[int, int]
    truths: tuple[Truth, ...]
    classes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        objects = [truth.to_dict() for truth in self.truths]
        return {"kind": self.kind, "size": list(self.size), "objects": objects, "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        size = (data["size"][0], data["size"][1])
        return cls(size, tuple(Truth.from_dict(o, size) for o in data["objects"]), tuple(data["classes"]))

    def rows(self) -> list[Row]:
        return [truth.to_row() for truth in self.truths]

    def categories(self) -> tuple[Category, ...]:
        return tuple(Category(name, GROUPS.get(name, "")) for name in self.classes)


def as_results(truths: tuple[Truth, ...], size: tuple[int, int], classes: tuple[str, ...]) -> dict[str, Analysed]:
    """Results by analyzer, as pictures and exports take them. Crowds are left out: no format but COCO's knows them."""
    return {"objects": Analysed(CARD, Truths(size, tuple(t for t in truths if not t.crowd), classes))}
