"""Made-up values and runs that tests of the store share."""

import hashlib
import uuid
from typing import Any

import numpy as np

from app.intake.photo import Photo
from app.store import Store
from app.store.models import Run
from app.vision.analyses.faces.result import Faces
from app.vision.analyses.labels.result import Labels
from app.vision.analyses.objects.result import Instances
from app.vision.results import Analysed, ModelCard
from app.vision.rows import RLE, Row
from tests.unit.signs import Signs

IDENTITIES = {"objects": "model@0123/1"}
BOTH = {**IDENTITIES, "faces": "mtcnn@4567/1"}
OWNER = "v:visitor"


def photo(data: bytes | None = None) -> Photo:
    """A photo as intake returns it, by default a new one each time. The store does not decode its bytes."""
    data = uuid.uuid4().bytes if data is None else data
    sha256, md5 = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
    return Photo(data, sha256, md5, "jpeg", width=64, height=48)


def card(analyzer: str = "objects") -> ModelCard:
    return ModelCard(analyzer, "model", "A model", "1", "0123" * 16, ("cat", "dog"))


def objects(**best: float) -> Analysed:
    """An output of the objects analyzer: each class once at its score, and the first one again at half of it."""
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


def add(store: Store, of: Photo | None = None, **options: Any) -> tuple[Run, list[str]]:
    """A run of the visitor OWNER, of a new photo by default; and the ids of its queued analyses."""
    return store.add_run(of or photo(), **{"name": "a.jpg", "identities": IDENTITIES, "owner": OWNER, **options})


def finished(store: Store, of: Photo | None = None, *, analysed: Analysed | None = None, **options: Any) -> Run:
    """The same, finished."""
    run, queued = add(store, of, **options)
    for id in queued:
        store.start_analysis(id)
        store.finish_analysis(id, analysed or objects(cat=0.9, dog=0.3))
    return store.get_run(run.id)


def blobs(store: Store) -> list[str]:
    """The keys of all blobs of a store."""
    return sorted(key for prefix in ("photos/", "results/") for key, _ in store.blobs.keys(prefix))
