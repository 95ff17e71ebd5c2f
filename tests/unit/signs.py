"""A made-up analysis that reads signs, registered for a test: it stands for every analysis that finds texts."""

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from app.vision.analyses import registry
from app.vision.analyses.analysis import Analysis
from app.vision.results import Analysed, ModelCard, Result
from app.vision.rows import Category, Row

CARD = ModelCard("signs", "reader", "Sign reader", "1", "ab" * 32)
STOP = Row(
    "sign", "road sign", 0.9, (20, 30, 120, 80), corners=((20, 40), (110, 30), (120, 70), (30, 80)), text="STOP, now"
)
FAINT = Row("sign", "shop sign", 0.3, (150, 100, 200, 120), corners=((150, 100), (200, 100), (200, 120), (150, 120)))


@dataclass(frozen=True)
class Signs(Result):
    """The signs in one photo."""

    kind = "signs"
    noun = "sign"

    size: tuple[int, int]
    found: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "size": self.size, "texts": [row.text for row in self.found]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Signs":
        rows = {row.text: row for row in (STOP, FAINT)}
        return cls((data["size"][0], data["size"][1]), tuple(rows[text] for text in data["texts"]))

    def rows(self) -> list[Row]:
        return list(self.found)

    def categories(self) -> tuple[Category, ...]:
        return (Category("road sign", "sign"), Category("shop sign", "sign"))


def signs(size: tuple[int, int] = (240, 320)) -> dict[str, Analysed]:
    """A run's results with two signs, of which one is below the usual threshold."""
    return {"signs": Analysed(CARD, Signs(size, (STOP, FAINT)))}


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the analysis until the test ends."""
    module = ModuleType("app.vision.analyses.signs")
    module.analysis = Analysis("signs", "Signs", "What signs say", Signs)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for holder in ("app.vision.analyses.registry", "app.queue.status"):
        monkeypatch.setattr(f"{holder}.ANALYSES", (*registry.ANALYSES[:3], "signs"))
    registry.find.cache_clear()
