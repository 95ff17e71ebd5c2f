"""Small made-up values that tests of the store share."""

import hashlib
import uuid

import numpy as np

from app.intake.photo import Photo
from app.vision.analyses.faces.result import Faces
from app.vision.analyses.labels.result import Labels
from app.vision.analyses.objects.result import Instances
from app.vision.results import Analysed, ModelCard
from app.vision.rows import RLE, Row
from tests.unit.signs import Signs

IDENTITIES = {"objects": "model@0123/1"}


def photo(data: bytes | None = None) -> Photo:
    """A photo as intake answers it; a new one each time where no bytes are given. The store does not decode them."""
    data = uuid.uuid4().bytes if data is None else data
    sha256, md5 = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
    return Photo(data, sha256, md5, "jpeg", width=64, height=48)


def card(analyzer: str = "objects") -> ModelCard:
    return ModelCard(analyzer, "model", "A model", "1", "0123" * 16, ("cat", "dog"))


def objects(**best: float) -> Analysed:
    """What the objects analyzer answers: each class once at its score, and the first one again at half of it."""
    classes = tuple(best) or ("cat", "dog")
    scores = [*best.values(), *[score / 2 for score in list(best.values())[:1]]]
    n = len(scores)
    labels = np.arange(n) % max(len(best), 1)
    boxes = np.tile(np.array([1.5, 2, 30, 40.25], np.float32), (n, 1))
    masks = tuple(RLE((48, 64), f"counts{i}") for i in range(n))
    result = Instances((48, 64), classes, boxes, np.array(scores, np.float32), labels.astype(np.int64), masks)
    return Analysed(card(), result, {"detect": 0.25})


def faces(n: int = 2) -> Analysed:
    boxes, landmarks = np.ones((n, 4), np.float32), np.ones((n, 5, 2), np.float32)
    return Analysed(card("faces"), Faces((48, 64), boxes, np.full(n, 0.75, np.float32), landmarks))


def labels() -> Analysed:
    return Analysed(card("labels"), Labels(("tabby", "studio_couch"), (0.7, 0.2)))


def texts(*lines: str, score: float = 0.9) -> Analysed:
    """What an analysis answers that reads texts: each line at the same score."""
    rows = tuple(Row("sign", "sign", score, (0, 0, 9, 9), text=line) for line in lines)
    return Analysed(card("signs"), Signs((48, 64), rows))
