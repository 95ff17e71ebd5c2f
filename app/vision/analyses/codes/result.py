"""The result of the codes analysis."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.vision.results import Result
from app.vision.rows import Category, Row


@dataclass(frozen=True)
class Codes(Result):
    """The QR codes and barcodes in one photo, from the top.

    formats: N names of their kinds, such as `QR Code` or `EAN-13`; texts: N, what they say; corners: (N, 4, 2) float32,
    x y in pixels, clockwise from the upper left one of the code as it is read. size: (height, width) of the upright
    photo. A code that was read was checked by its own digits, so every score is 1.
    """

    kind = "codes"
    noun = "code"

    size: tuple[int, int]
    formats: tuple[str, ...]
    texts: tuple[str, ...]
    corners: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "size": list(self.size),
            "formats": list(self.formats),
            "texts": list(self.texts),
            "corners": np.asarray(self.corners, float).tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Codes":
        return cls(
            (int(data["size"][0]), int(data["size"][1])),
            tuple(data["formats"]),
            tuple(data["texts"]),
            np.asarray(data["corners"], np.float32).reshape(-1, 4, 2),
        )

    def rows(self) -> list[Row]:
        limits = np.array(self.size[::-1])
        columns = zip(self.formats, self.texts, self.corners.astype(float), strict=True)
        return [
            Row(
                self.noun,
                name,
                1.0,
                tuple(np.clip([corners.min(axis=0), corners.max(axis=0)], 0, limits).ravel().tolist()),
                corners=tuple((x, y) for x, y in corners.tolist()),
                text=text,
            )
            for name, text, corners in columns
        ]

    def categories(self) -> tuple[Category, ...]:
        return tuple(Category(name, "code") for name in dict.fromkeys(self.formats))
