"""Results of analyzers: values in pixels of the upright photo, ready to store as JSON."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from app.vision.rows import Category, Row
from app.vision.view import View


class Result(ABC):
    """What an analyzer found in one photo. Each analysis has a subclass in its folder.

    kind: of the stored JSON and of the API's; noun: `kind` of its rows; placed: whether its rows have boxes.
    size: (height, width) of the upright photo, None where the result does not depend on it.
    """

    kind: ClassVar[str]
    noun: ClassVar[str]
    placed: ClassVar[bool] = True
    size: tuple[int, int] | None

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The result as it is stored: JSON values, with its `kind`."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The result that `to_dict` stored."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """All rows, in the stored order."""

    def layers(self) -> tuple[str, ...]:
        """The flags of a view, besides the common ones, that control what is drawn of this result."""
        return ()

    def categories(self) -> tuple[Category, ...]:
        """The classes that rows with boxes can have."""
        return ()

    def to_json(self, view: View, scale: np.ndarray, mask_form: str) -> dict[str, Any]:
        """The result in the API and in webhooks, without its model.

        Args:
            view: selects the rows; scale: (2,) factors of x and y; mask_form: `rle`, `polygon` or `none`.
        """
        return {"kind": self.kind, "items": [row_json(row, scale) for row in view.select(self.rows())]}

    def search_terms(self) -> dict[str, float]:
        """The classes that were found, each with its best score as it is shown: what the history is searched by."""
        terms: dict[str, float] = {}
        for row in self.rows():
            terms[row.name] = max(row.shown_score, terms.get(row.name, 0.0))
        return terms


def row_json(row: Row, scale: np.ndarray) -> dict[str, Any]:
    """A row as JSON: class, score, box and, where it has them, corners, points and text. scale: (2,) of x and y."""
    item: dict[str, Any] = {"class": row.name, "score": row.shown_score}
    if row.box is not None:
        item["box"] = (np.array(row.box) * np.tile(scale, 2)).tolist()
    if row.corners:
        item["corners"] = (np.array(row.corners) * scale).tolist()
    if row.points:
        item["points"] = {name: (np.array(point) * scale).tolist() for name, point in row.points}
    if row.text:
        item["text"] = row.text
    return item


@dataclass(frozen=True)
class ModelCard:
    """A description of a loaded model: the key of its results, and texts for people.

    analyzer: the name of its analysis; model: catalogue name; title: name shown to people; version: of our code path,
    raised when the same weights give other results, with digits of what else these depend on, such as a config;
    checkpoint: SHA-256 of the weights, in hex; note: one sentence if the model is a stand-in, with the step that
    installs the better one, else empty.
    """

    analyzer: str
    model: str
    title: str
    version: str
    checkpoint: str
    classes: tuple[str, ...] = ()
    note: str = ""

    @property
    def identity(self) -> str:
        """The key of this model's results: equal identities give equal results."""
        return f"{self.model}@{self.checkpoint[:16]}/{self.version}"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ModelCard":
        return cls(**{**data, "classes": tuple(data["classes"])})


@dataclass(frozen=True)
class Analysed:
    """One analyzer's output for one photo: the result, the card of its model, and seconds by step."""

    card: ModelCard
    result: Result
    timings: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The output as it is stored; `app.vision.analyses.registry.stored_result` reads it."""
        return {"card": self.card.to_dict(), "result": self.result.to_dict(), "timings": self.timings}
