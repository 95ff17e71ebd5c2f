"""What a model takes for what on photos of known truth, and the photos with its worst mistakes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from app.datasets.coco import CocoData, Sample
from app.datasets.compared import BASE, OVERLAP, THRESHOLD, TRAINED, TRUTH, Compared
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.checkpoints import sha256_of
from app.vision.rows import RLE

# Photos that are shown during a training, and of those with the worst mistakes.
WATCHED, WORST = 4, 8

# A true class and the one that it was taken for; None stands for background.
Pair = tuple[str | None, str | None]
Predictions = Mapping[int, Instances]


def confusion(data: CocoData, predictions: Predictions) -> list[list[Any]]:
    """The confusion matrix, as the cells [true class, class that was found, count] that are not 0.

    predictions: by image id. None stands for background: an object that was missed, or found where nothing is.
    """
    cells = Counter(pair for sample in data.samples for pair in pairs(data, sample, predictions[sample.image_id]))
    return [[*pair, count] for pair, count in sorted(cells.items(), key=lambda cell: (-cell[1], str(cell[0])))]


def pairs(data: CocoData, sample: Sample, found: Instances) -> list[Pair]:
    """Every true and every found object of a photo, those that match in one pair.

    Boxes match from OVERLAP on, the closest first whatever their classes, each with one other, as in Ultralytics'
    `ConfusionMatrix`. What is found in a crowd, and classes that the data does not have, do not count.
    """
    found = _counted(data, found)
    truth = [data.classes[label] for label in sample.labels]
    overlaps = _overlaps(found.boxes, sample.boxes)
    matched: dict[int, int] = {}
    for i, j in zip(*np.unravel_index(np.argsort(-overlaps, axis=None, kind="stable"), overlaps.shape), strict=True):
        if overlaps[i, j] >= OVERLAP and i not in matched and j not in matched.values():
            matched[int(i)] = int(j)
    in_crowd = _overlaps(found.boxes, sample.ignored, crowds=True).max(1, initial=0) >= OVERLAP
    both: list[Pair] = [(truth[j], found.names[i]) for i, j in matched.items()]
    missed: list[Pair] = [(name, None) for j, name in enumerate(truth) if j not in matched.values()]
    wrong: list[Pair] = [(None, name) for i, name in enumerate(found.names) if i not in matched and not in_crowd[i]]
    return both + missed + wrong


def watched(data: CocoData) -> CocoData:
    """The few photos that are shown during a training: the first ones with objects."""
    return data.only([sample for sample in data.samples if len(sample.boxes)][:WATCHED])


def compared(data: CocoData, trained: Predictions, base: Predictions | None = None) -> list[Compared]:
    """The photos with their truth, and with what was found by the trained model and by its base where that knows them.

    trained, base: by image id.
    """
    return [
        _compared(data, sample, trained[sample.image_id], base[sample.image_id] if base else None)
        for sample in data.samples
    ]


def worst(data: CocoData, predictions: Predictions) -> list[Compared]:
    """The photos with the most mistakes, the worst first."""
    counts = {s.image_id: sum(a != b for a, b in pairs(data, s, predictions[s.image_id])) for s in data.samples}
    bad = sorted((s for s in data.samples if counts[s.image_id]), key=lambda s: (-counts[s.image_id], s.image_id))
    return compared(data.only(bad[:WORST]), predictions)


def truth_instances(sample: Sample, classes: Sequence[str]) -> Instances:
    """A photo's ground truth as a result; the mask of an instance without an outline is its box."""
    size = (sample.height, sample.width)
    masks = []
    for box, outline in zip(sample.boxes, sample.outlines, strict=True):
        x1, y1, x2, y2 = (float(v) for v in box)
        rings = outline or [[x1, y1, x2, y1, x2, y2, x1, y2]]
        if isinstance(rings, RLE):
            masks.append(rings)
            continue
        merged = coco_mask.merge(coco_mask.frPyObjects(rings, *size))
        masks.append(RLE(size, merged["counts"].decode("ascii")))
    scores = np.ones(len(sample.boxes), np.float32)
    return Instances(size, tuple(classes), sample.boxes, scores, sample.labels, tuple(masks))


def _compared(data: CocoData, sample: Sample, trained: Instances, base: Instances | None) -> Compared:
    layers = {TRUTH: truth_instances(sample, data.classes), TRAINED: _counted(data, trained)}
    if base is not None:
        layers[BASE] = _counted(data, base)
    mistakes = [pair for pair in pairs(data, sample, trained) if pair[0] != pair[1]]
    missed, wrong = sum(b is None for _, b in mistakes), sum(a is None for a, _ in mistakes)
    confused = len(mistakes) - missed - wrong
    return Compared(sha256_of(sample.path), sample.path.name, layers, missed, wrong, confused)


def _counted(data: CocoData, found: Instances) -> Instances:
    """What reaches the threshold, of the classes that the data has."""
    known = np.array([name in data.classes for name in found.names], bool)
    return found[(found.scores >= THRESHOLD) & known]


def _overlaps(found: np.ndarray, truth: np.ndarray, *, crowds: bool = False) -> np.ndarray:
    """(N, M) float64 IoU of boxes x1 y1 x2 y2; of crowds, the share of the found box that lies in them."""
    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    sides = [np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).astype(float) for boxes in (found, truth)]
    overlaps: np.ndarray = coco_mask.iou(*sides, [int(crowds)] * len(truth))
    return overlaps
