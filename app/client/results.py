"""The API's responses as typed values."""

from dataclasses import dataclass, field
from typing import Any

FINISHED = ("done", "failed", "cancelled")
Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class Detection:
    """An object: name of its class, score in 0..1, box (x1, y1, x2, y2), and mask in the requested form.

    Coordinates are pixels of the upright photo. mask: `{"size": [height, width], "counts": str}` (COCO RLE), or None.
    """

    name: str
    score: float
    box: Box
    mask: Any = None


@dataclass(frozen=True)
class Face:
    """A face: score, box, and the positions of eyes, nose and corners of the mouth."""

    score: float
    box: Box
    landmarks: dict[str, Point]


@dataclass(frozen=True)
class Label:
    """What the whole photo shows: an ImageNet class name and its probability."""

    name: str
    score: float


@dataclass(frozen=True)
class Item:
    """One result of any other analysis, such as a code or a line of text.

    text, corners: empty if it has none. Corners are clockwise from the upper left one, in reading direction.
    """

    name: str
    score: float
    box: Box
    text: str = ""
    corners: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Run:
    """One request to analyse one photo. `data` is the whole response of the API."""

    id: str
    state: str
    name: str
    error: str | None
    position: int | None
    eta: float | None
    data: dict[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Run":
        """The run that a response of the API describes."""
        optional = {name: data.get(name) for name in ("error", "position", "eta")}
        return cls(data["id"], data["state"], data["name"], **optional, data=data)

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self.state in FINISHED

    @property
    def request_id(self) -> str:
        """The id by which the server's log knows the request that created the run; empty where unknown."""
        return self.data.get("request_id") or ""

    @property
    def objects(self) -> list[Detection]:
        """The objects at the run's threshold, best first."""
        return [
            Detection(row["class"], row["score"], tuple(row["box"]), row.get("mask"))
            for row in self._rows("objects", "instances")
        ]

    @property
    def faces(self) -> list[Face]:
        """The faces, best first."""
        return [
            Face(row["score"], tuple(row["box"]), {k: tuple(v) for k, v in row["landmarks"].items()})
            for row in self._rows("faces", "faces")
        ]

    @property
    def labels(self) -> list[Label]:
        """What the whole photo shows, best first."""
        return [Label(row["class"], row["score"]) for row in self._rows("labels", "labels")]

    def items(self, analysis: str) -> list[Item]:
        """The results of an analysis without a property of its own here, such as `codes` or `text`."""
        return [
            Item(
                row["class"],
                row["score"],
                tuple(row["box"]),
                row.get("text", ""),
                tuple((x, y) for x, y in row.get("corners", ())),
            )
            for row in self._rows(analysis, "items")
        ]

    @property
    def texts(self) -> list[str]:
        """All texts read in the photo, in the order of the results."""
        results: dict[str, Any] = self.data.get("results", {})
        return [item.text for analysis in results for item in self.items(analysis) if item.text]

    def _rows(self, analysis: str, kind: str) -> list[dict[str, Any]]:
        result: dict[str, list[dict[str, Any]]] = self.data.get("results", {}).get(analysis) or {}
        return result.get(kind, [])
