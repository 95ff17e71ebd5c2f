"""The result of the faces analysis."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from app.vision.results import Result
from app.vision.rows import Category, Row
from app.vision.view import View

# The class of every face.
FACE: Final = "face"
# In the order in which results have them; left and right as seen in the photo.
LANDMARKS: Final = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


@dataclass(frozen=True)
class Faces(Result):
    """The faces in one photo, best first.

    boxes: (N, 4) float32, x1 y1 x2 y2 in pixels; scores: (N,) float32; landmarks: (N, 5, 2) float32, x y in pixels of
    each of LANDMARKS. size: (height, width) of the upright photo.
    """

    kind = "faces"
    noun = "face"

    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "size": list(self.size),
            "boxes": np.asarray(self.boxes, float).tolist(),
            "scores": np.asarray(self.scores, float).tolist(),
            "landmarks": np.asarray(self.landmarks, float).tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Faces":
        return cls(
            (int(data["size"][0]), int(data["size"][1])),
            np.asarray(data["boxes"], np.float32).reshape(-1, 4),
            np.asarray(data["scores"], np.float32),
            np.asarray(data["landmarks"], np.float32).reshape(-1, 5, 2),
        )

    def rows(self) -> list[Row]:
        columns = zip(self.scores, self.boxes.astype(float), self.landmarks.astype(float), strict=True)
        return [
            Row(
                self.noun,
                FACE,
                float(score),
                tuple(box.tolist()),
                points=tuple((name, (x, y)) for name, (x, y) in zip(LANDMARKS, points.tolist(), strict=True)),
                layer="faces",
            )
            for score, box, points in columns
        ]

    def layers(self) -> tuple[str, ...]:
        return ("faces",)

    def categories(self) -> tuple[Category, ...]:
        return (Category(FACE, "person", LANDMARKS),)

    def to_json(self, view: View, scale: np.ndarray, mask_form: str) -> dict[str, Any]:
        faces = [
            {
                "score": row.shown_score,
                "box": (np.array(row.box) * np.tile(scale, 2)).tolist(),
                "landmarks": {name: (np.array(point) * scale).tolist() for name, point in row.points},
            }
            for row in self.rows()
            if view.reaches(row)
        ]
        return {"kind": self.kind, "faces": faces}
