"""The result of the text analysis."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from app.vision.results import Result
from app.vision.rows import Category, Row

# The class of every line.
TEXT: Final = "text"


@dataclass(frozen=True)
class Lines(Result):
    """The lines of text in one photo, in the order in which they are read.

    corners: (N, 4, 2) float32, x y in pixels, clockwise from where the line begins, perhaps a little off the photo;
    texts: N, none of them empty; scores: (N,) float32, the mean of the letters'. size: (height, width) of the upright
    photo.
    """

    kind = "text"
    noun = "line"

    size: tuple[int, int]
    corners: np.ndarray
    texts: tuple[str, ...]
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "size": list(self.size),
            "corners": np.asarray(self.corners, float).round(2).tolist(),
            "texts": list(self.texts),
            "scores": np.asarray(self.scores, float).tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Lines":
        return cls(
            (int(data["size"][0]), int(data["size"][1])),
            np.asarray(data["corners"], np.float32).reshape(-1, 4, 2),
            tuple(data["texts"]),
            np.asarray(data["scores"], np.float32),
        )

    def rows(self) -> list[Row]:
        limits = np.array(self.size[::-1])
        columns = zip(self.corners.astype(float).round(2), self.texts, self.scores.astype(float), strict=True)
        return [
            Row(
                self.noun,
                TEXT,
                float(score),
                tuple(np.clip([corners.min(axis=0), corners.max(axis=0)], 0, limits).ravel().tolist()),
                corners=tuple((x, y) for x, y in corners.tolist()),
                text=text,
                tagged=False,  # It can be read in the photo, which a page of tags would hide.
            )
            for corners, text, score in columns
        ]

    def categories(self) -> tuple[Category, ...]:
        return (Category(TEXT, "text"),)
