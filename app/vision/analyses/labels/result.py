"""The result of the labels analysis."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.vision.results import Result
from app.vision.rows import Row
from app.vision.view import View


@dataclass(frozen=True)
class Labels(Result):
    """What the whole photo shows: ImageNet class names (as `studio_couch`) with probabilities, best first."""

    kind = "labels"
    noun = "label"
    placed = False
    size = None

    names: tuple[str, ...]
    scores: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.names)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "names": list(self.names), "scores": list(self.scores)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Labels":
        return cls(tuple(data["names"]), tuple(float(s) for s in data["scores"]))

    def rows(self) -> list[Row]:
        return [Row(self.noun, name, float(score)) for name, score in zip(self.names, self.scores, strict=True)]

    def to_json(self, view: View, scale: np.ndarray, mask_form: str) -> dict[str, Any]:
        return {"kind": self.kind, "labels": [{"class": row.name, "score": row.score} for row in self.rows()]}
