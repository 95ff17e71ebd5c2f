"""What analyzers answer: plain values in pixels of the upright photo, ready to store as JSON.

`Instances` follows detectron2's `structures/instances.py`: parallel arrays of one length, indexable as one value.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np


@dataclass(frozen=True)
class RLE:
    """One binary mask in COCO's compressed run-length encoding (pycocotools).

    size: (height, width) of the photo; counts: the encoding as an ASCII string.
    """

    size: tuple[int, int]
    counts: str

    def to_coco(self) -> dict[str, Any]:
        """The dict that `pycocotools.mask` functions take, with `counts` as bytes."""
        return {"size": list(self.size), "counts": self.counts.encode("ascii")}


@dataclass(frozen=True)
class Instances:
    """Objects found in one photo, best first.

    boxes: (N, 4) float32, x1 y1 x2 y2 in pixels; scores: (N,) float32 in 0..1; labels: (N,) int64, indices into
    `classes`; masks: N RLEs of the photo's size, or None for a model that gives boxes only.
    size: (height, width) of the upright photo.
    """

    size: tuple[int, int]
    classes: tuple[str, ...]
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: tuple[RLE, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or len(self.labels) != n or (self.masks is not None and len(self.masks) != n):
            raise ValueError("boxes, scores, labels and masks must have one length")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index: Any) -> "Instances":
        """The instances chosen by a slice, an index array or a boolean array of length N."""
        chosen = np.arange(len(self))[index]
        masks = None if self.masks is None else tuple(self.masks[i] for i in chosen)
        return Instances(self.size, self.classes, self.boxes[chosen], self.scores[chosen], self.labels[chosen], masks)

    @property
    def names(self) -> list[str]:
        """Class name of each instance."""
        return [self.classes[label] for label in self.labels]

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "instances",
            "size": list(self.size),
            "classes": list(self.classes),
            "boxes": [[float(v) for v in box] for box in self.boxes],
            "scores": [float(s) for s in self.scores],
            "labels": [int(label) for label in self.labels],
            "masks": None if self.masks is None else [m.counts for m in self.masks],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Instances":
        size = (int(data["size"][0]), int(data["size"][1]))
        masks = None if data["masks"] is None else tuple(RLE(size, counts) for counts in data["masks"])
        return cls(
            size,
            tuple(data["classes"]),
            np.asarray(data["boxes"], np.float32).reshape(-1, 4),
            np.asarray(data["scores"], np.float32),
            np.asarray(data["labels"], np.int64),
            masks,
        )


# Of a face, in the order in which results have them; left and right as seen in the photo.
LANDMARKS: Final = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


@dataclass(frozen=True)
class Faces:
    """Faces found in one photo, best first.

    boxes: (N, 4) float32, x1 y1 x2 y2 in pixels; scores: (N,) float32; landmarks: (N, 5, 2) float32, x y in pixels of
    each of LANDMARKS. size: (height, width).
    """

    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "faces",
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


@dataclass(frozen=True)
class Labels:
    """What the whole photo shows: ImageNet class names (as `studio_couch`) with probabilities, best first."""

    names: tuple[str, ...]
    scores: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.names)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "labels", "names": list(self.names), "scores": list(self.scores)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Labels":
        return cls(tuple(data["names"]), tuple(float(s) for s in data["scores"]))


Result = Instances | Faces | Labels
KINDS: dict[str, type[Instances] | type[Faces] | type[Labels]] = {
    "instances": Instances,
    "faces": Faces,
    "labels": Labels,
}


@dataclass(frozen=True)
class ModelCard:
    """What an analyzer is: enough to key its results, and to say honestly what answered.

    analyzer: objects, faces or labels; model: catalogue name; title: name shown to people; version: of our code path,
    raised when the same weights would answer differently, with digits of what else they depend on, such as a config;
    checkpoint: SHA-256 of the weights, in hex; note: one honest line where the model is a stand-in (with the step that
    brings the better one), else empty.
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
        """The key of this model's results: equal identities give equal answers."""
        return f"{self.model}@{self.checkpoint[:16]}/{self.version}"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ModelCard":
        return cls(**{**data, "classes": tuple(data["classes"])})


@dataclass(frozen=True)
class Analysed:
    """One analyzer's answer for one photo: the result, who gave it, and seconds by step."""

    card: ModelCard
    result: Result
    timings: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"card": self.card.to_dict(), "result": self.result.to_dict(), "timings": self.timings}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Analysed":
        kind = KINDS[data["result"]["kind"]]
        return cls(ModelCard.from_dict(data["card"]), kind.from_dict(data["result"]), dict(data["timings"]))
