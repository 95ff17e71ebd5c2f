"""Small stored results made on the spot, for tests."""

from collections.abc import Sequence

import numpy as np

from app.vision import masks
from app.vision.analyses.faces.result import Faces
from app.vision.analyses.labels.result import Labels
from app.vision.analyses.objects.result import Instances
from app.vision.coco import CLASSES
from app.vision.results import Analysed, ModelCard

CARD = ModelCard("objects", "mask_rcnn", "Mask R-CNN", "1", "ab" * 32, CLASSES)


def disc(height: int, width: int) -> np.ndarray:
    """(height, width) bool: the ellipse that fills a box."""
    y, x = np.mgrid[:height, :width]
    return ((x + 0.5) / width - 0.5) ** 2 + ((y + 0.5) / height - 0.5) ** 2 <= 0.25


def instances(
    size: tuple[int, int],
    found: Sequence[tuple[str, float, tuple[int, int, int, int]]],
    *,
    masked: bool = True,
    classes: tuple[str, ...] = CLASSES,
) -> Instances:
    """Instances of (class, score, box) in whole pixels, each with an ellipse for a mask."""
    rles = tuple(masks.encode(disc(y2 - y1, x2 - x1), x1, y1, size) for _, _, (x1, y1, x2, y2) in found)
    return Instances(
        size,
        classes,
        np.array([box for _, _, box in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        np.array([classes.index(name) for name, _, _ in found], np.int64),
        rles if masked else None,
    )


def objects(size: tuple[int, int], *found: tuple[str, float, tuple[int, int, int, int]]) -> dict[str, Analysed]:
    """A run's results with objects alone."""
    return {"objects": Analysed(CARD, instances(size, found))}


def faces(size: tuple[int, int], *boxes: tuple[float, float, float, float], score: float = 0.99) -> Faces:
    """Faces in these boxes, with landmarks where a face has them."""
    marks = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    landmarks = corners[:, None, :2] + marks * (corners[:, None, 2:] - corners[:, None, :2])
    return Faces(size, corners, np.full(len(corners), score, np.float32), landmarks.astype(np.float32))


def everything(size: tuple[int, int] = (240, 320)) -> dict[str, Analysed]:
    """A run's results with two cars, a dog, a face and a caption."""
    found = objects(
        size, ("car", 0.98, (10, 20, 110, 90)), ("dog", 0.7, (150, 60, 300, 220)), ("car", 0.3, (5, 150, 90, 230))
    )
    labels = Labels(("sports_car", "beach_wagon", "grille"), (0.7, 0.2, 0.05))
    return found | {
        "faces": Analysed(ModelCard("faces", "mtcnn", "MTCNN", "1", "cd" * 32), faces(size, (180, 80, 230, 140))),
        "labels": Analysed(ModelCard("labels", "lite0", "EfficientNet", "1", "ef" * 32), labels),
    }
