"""What the API answers, as typed values."""

from dataclasses import dataclass, field
from typing import Any

FINISHED = ("done", "failed", "cancelled")
Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True)
class Detection:
    """An object: its class's name, score in 0..1, box (x1, y1, x2, y2), and mask as the API was asked to give it.

    Coordinates are pixels of the upright photo. mask: `{"size": [height, width], "counts": str}` (COCO RLE), or None.
    """

    name: str
    score: float
    box: Box
    mask: Any = None


@dataclass(frozen=True)
class Face:
    """A face: score, box, and where its eyes, nose and corners of the mouth are."""

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
    """What any other analysis found, such as a code or a line of text.

    text, corners: where it has them; the corners are clockwise from the upper left one, as the text reads.
    """

    name: str
    score: float
    box: Box
    text: str = ""
    corners: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Run:
    """One request to analyse one photo. `data` is all of the API's answer."""

    id: str
    state: str
    name: str
    error: str | None
    position: int | None
    eta: float | None
    data: dict[str, Any] = field(repr=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Run":
        """The value of the API's answer."""
        optional = {name: data.get(name) for name in ("error", "position", "eta")}
        return cls(data["id"], data["state"], data["name"], **optional, data=data)

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINISHED

    @property
    def request_id(self) -> str:
        """The id by which the server's log knows the request that created the run; empty where unknown."""
        return self.data.get("request_id") or ""

    @property
    def objects(self) -> list[Detection]:
        """The objects at the run's threshold, best first."""
        return [
            Detection(found["class"], found["score"], tuple(found["box"]), found.get("mask"))
            for found in self._found("objects", "instances")
        ]

    @property
    def faces(self) -> list[Face]:
        """The faces, best first."""
        return [
            Face(found["score"], tuple(found["box"]), {k: tuple(v) for k, v in found["landmarks"].items()})
            for found in self._found("faces", "faces")
        ]

    @property
    def labels(self) -> list[Label]:
        """What the whole photo shows, best first."""
        return [Label(found["class"], found["score"]) for found in self._found("labels", "labels")]

    def items(self, analysis: str) -> list[Item]:
        """What an analysis found that has no list of its own here, such as `codes` or `text`."""
        return [
            Item(
                found["class"],
                found["score"],
                tuple(found["box"]),
                found.get("text", ""),
                tuple((x, y) for x, y in found.get("corners", ())),
            )
            for found in self._found(analysis, "items")
        ]

    @property
    def texts(self) -> list[str]:
        """Every text that was read in the photo, in the order of the results."""
        results: dict[str, Any] = self.data.get("results", {})
        return [item.text for analysis in results for item in self.items(analysis) if item.text]

    def _found(self, analysis: str, kind: str) -> list[dict[str, Any]]:
        result: dict[str, list[dict[str, Any]]] = self.data.get("results", {}).get(analysis) or {}
        return result.get(kind, [])
