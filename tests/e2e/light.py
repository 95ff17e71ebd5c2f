"""Analyzers that answer at once and always the same, for tests of everything but the models.

A worker loads them by its hook: `worker.py --analyzers tests.e2e.light:offer`.
"""

import time
from collections.abc import Callable

import numpy as np

from app.config.settings import Settings
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.faces.result import Faces
from app.vision.analyses.labels.result import Labels
from app.vision.analyses.objects.result import Instances
from app.vision.analyses.offer import Offer
from app.vision.masks import encode
from app.vision.results import Analysed, ModelCard, Result

CLASSES = ("person", "car", "dog", "traffic light", "backpack", "kite")
# Class, score, and box and extent as shares of the photo: centre x, centre y, width, height.
FOUND = (
    ("person", 0.98, 0.25, 0.55, 0.18, 0.60),
    ("car", 0.91, 0.65, 0.65, 0.36, 0.30),
    ("person", 0.86, 0.40, 0.60, 0.14, 0.50),
    ("dog", 0.77, 0.52, 0.82, 0.16, 0.22),
    ("car", 0.62, 0.82, 0.55, 0.20, 0.16),
    ("backpack", 0.55, 0.27, 0.48, 0.09, 0.18),
    ("traffic light", 0.41, 0.70, 0.20, 0.06, 0.18),
    ("kite", 0.22, 0.50, 0.12, 0.10, 0.10),
    ("person", 0.12, 0.92, 0.75, 0.06, 0.24),
)
SLOW_SIDE = 333  # A photo of this width takes a while.
SLOW_SECONDS = 2.5  # More than the moment in which the page waits for a result without saying so.


def offer(settings: Settings) -> Offer:
    """All three analyses."""
    return Offer({"objects": Light("objects"), "faces": Light("faces"), "labels": Light("labels")}, {})


class Light(Analyzer):
    """Finds the same in every photo; nothing in one that is all of one colour."""

    def __init__(self, analyzer: str):
        note = "This is a small stand-in for tests." if analyzer == "objects" else ""
        self.card = ModelCard(analyzer, f"light-{analyzer}", "A light model", "1", "0" * 64, CLASSES, note)

    def load(self, device: str) -> None:
        """Nothing to load."""

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Answer for (H, W, 3) uint8 RGB."""
        if rgb.shape[1] == SLOW_SIDE:
            time.sleep(SLOW_SECONDS)
        return Analysed(self.card, MAKERS[self.card.analyzer](rgb), {"detect": 0.01})


def _objects(rgb: np.ndarray) -> Instances:
    height, width = rgb.shape[:2]
    weak = np.ptp(rgb, axis=(0, 1)).max() == 0
    rows = [row for row in FOUND if not weak or row[1] < 0.5]
    boxes, masks = [], []
    for _, _, x, y, w, h in rows:
        x1, y1 = max(0, round((x - w / 2) * width)), max(0, round((y - h / 2) * height))
        x2, y2 = min(width, round((x + w / 2) * width)), min(height, round((y + h / 2) * height))
        v, u = np.mgrid[-1 : 1 : complex(y2 - y1), -1 : 1 : complex(x2 - x1)]
        masks.append(encode(np.abs(u) ** 3 + np.abs(v) ** 3 <= 1, x1, y1, (height, width)))
        boxes.append((x1, y1, x2, y2))
    scores = np.array([row[1] for row in rows], np.float32)
    labels = np.array([CLASSES.index(row[0]) for row in rows], np.int64)
    return Instances((height, width), CLASSES, np.array(boxes, np.float32), scores, labels, tuple(masks))


def _faces(rgb: np.ndarray) -> Faces:
    height, width = rgb.shape[:2]
    size = np.array([width, height], np.float32)
    points = np.array([(0.23, 0.31), (0.27, 0.31), (0.25, 0.34), (0.235, 0.37), (0.265, 0.37)], np.float32)
    box = np.array([[0.21, 0.26, 0.29, 0.40]], np.float32) * np.tile(size, 2)
    return Faces((height, width), box, np.array([0.99], np.float32), (points * size)[None])


def _labels(rgb: np.ndarray) -> Labels:
    return Labels(("street_sign", "parking_meter", "cab", "mailbox", "umbrella"), (0.61, 0.17, 0.09, 0.04, 0.02))


MAKERS: dict[str, Callable[[np.ndarray], Result]] = {"objects": _objects, "faces": _faces, "labels": _labels}
