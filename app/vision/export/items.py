"""What is exported: photos with their results, as rows that every format writes in its own way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.vision import masks
from app.vision.results import RLE, Analysed, Faces, Instances, Labels, ModelCard
from app.vision.view import View, shown_scores

FACE: Final = "face"

Results = Mapping[str, Analysed]


@dataclass(frozen=True)
class ExportItem:
    """A photo with its results.

    name: of the file as it was sent; load_photo: gives its bytes, asked for only by formats that hold pixels;
    width, height: of the upright photo; results: stored results by analyzer, or a function that loads them, so that
    a long export need not hold all at once.
    """

    name: str
    load_photo: Callable[[], bytes]
    width: int
    height: int
    results: Results | Callable[[], Results]

    def load_results(self) -> Results:
        """The stored results by analyzer."""
        return self.results() if callable(self.results) else self.results


@dataclass(frozen=True)
class Found:
    """One object or face: class, score at four decimals, box x1 y1 x2 y2 inside the photo, mask and landmarks."""

    name: str
    score: float
    box: tuple[float, float, float, float]
    card: ModelCard
    mask: RLE | None = None
    landmarks: tuple[tuple[float, float], ...] = ()

    @property
    def is_face(self) -> bool:
        return bool(self.landmarks)

    @property
    def area(self) -> float:
        """In pixels: of the mask, else of the box."""
        x1, y1, x2, y2 = self.box
        return float(masks.area(self.mask)) if self.mask else (x2 - x1) * (y2 - y1)

    def parts(self, tolerance: float | None = None) -> list[masks.Part]:
        """Outline and holes of every piece, or the box for want of a mask. tolerance: None for what is not seen."""
        if self.mask:
            tolerance = masks.unseen_tolerance(self.mask) if tolerance is None else tolerance
            return masks.parts(self.mask, tolerance)
        x1, y1, x2, y2 = self.box
        return [masks.Part(np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float64), [])]

    def polygons(self, tolerance: float | None = None) -> list[np.ndarray]:
        """One polygon a piece, (K, 2) x y in pixels, with cuts to its holes."""
        return [masks.join(part.outline, part.holes) for part in self.parts(tolerance)]


def found(results: Results, item: ExportItem, view: View) -> list[Found]:
    """What the view selects of a photo's results: objects, then faces."""
    limits = (item.width, item.height)
    rows: list[Found] = []
    for analysed in results.values():
        if isinstance(analysed.result, Instances):
            rows += _objects(analysed.result, analysed.card, view, limits)
    for analysed in results.values():
        if isinstance(analysed.result, Faces) and view.faces and view.shows(FACE):
            rows += _faces(analysed.result, analysed.card, view, limits)
    return rows


def labels(results: Results) -> dict[str, float]:
    """What the whole photo shows, by name, with its probability at four decimals."""
    found = [r.result for r in results.values() if isinstance(r.result, Labels)]
    return {name: round(score, 4) for r in found for name, score in zip(r.names, r.scores, strict=True)}


def class_names(results: Results) -> list[str]:
    """All classes that the models of these results know, also those not found; `face` last."""
    known = [r.result for r in results.values()]
    names = [name for r in known if isinstance(r, Instances) for name in r.classes]
    return list(dict.fromkeys(names + [FACE] * any(isinstance(r, Faces) for r in known)))


def _objects(instances: Instances, card: ModelCard, view: View, limits: tuple[int, int]) -> Iterator[Found]:
    chosen = view.select(instances)
    scores = shown_scores(chosen.scores).tolist()
    rles: Sequence[RLE | None] = chosen.masks or [None] * len(chosen)
    for name, score, box, rle in zip(chosen.names, scores, chosen.boxes, rles, strict=True):
        yield Found(name, score, _clipped(box, limits), card, rle if rle and masks.area(rle) else None)


def _faces(faces: Faces, card: ModelCard, view: View, limits: tuple[int, int]) -> Iterator[Found]:
    scores = shown_scores(faces.scores).tolist()
    for i in np.flatnonzero(view.above(faces.scores)):
        points = tuple((round(float(x), 2), round(float(y), 2)) for x, y in faces.landmarks[i])
        yield Found(FACE, scores[i], _clipped(faces.boxes[i], limits), card, None, points)


def _clipped(box: np.ndarray, limits: tuple[int, int]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = np.clip(np.asarray(box, np.float64), 0, 2 * limits).round(2).tolist()
    return x1, y1, max(x1, x2), max(y1, y2)
