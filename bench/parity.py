"""How closely the OpenVINO engine repeats MMDetection on the same checkpoint and photos."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from app.vision import masks
from app.vision.analyzer import Analyzer
from app.vision.results import Instances

BOX_PIXELS, SCORE = 0.5, 1e-3


def compare(reference: Analyzer, engine: Analyzer, photos: Iterable[np.ndarray]) -> dict[str, Any]:
    """Match every reference instance with the engine's nearest one of its class.

    Returns:
        instances; matched: share with boxes within half a pixel and scores within a thousandth; mask_iou: the least
        and the mean over the matched; box_error, score_error: 99th percentiles over all.
    """
    rows = [row for photo in photos for row in _match(_found(reference, photo), _found(engine, photo))]
    box, score, iou = (np.array(column, float) for column in zip(*rows, strict=True))
    matched = (box <= BOX_PIXELS) & (score <= SCORE)
    known = iou[matched & ~np.isnan(iou)]
    return {
        "instances": len(rows),
        "matched": round(float(matched.mean()), 5),
        "mask_iou_min": round(float(known.min()), 4) if len(known) else None,
        "mask_iou_mean": round(float(known.mean()), 5) if len(known) else None,
        "box_error_p99": round(float(np.percentile(np.minimum(box, 1e6), 99)), 4),
        "score_error_p99": round(float(np.percentile(np.minimum(score, 1.0), 99)), 6),
    }


def _found(analyzer: Analyzer, photo: np.ndarray) -> Instances:
    result = analyzer.analyse(photo).result
    assert isinstance(result, Instances)
    return result


def _match(reference: Instances, engine: Instances) -> list[tuple[float, float, float]]:
    """(box error in pixels, score error, mask IoU) of every reference instance; infinite where the class is absent."""
    rows = []
    for i in range(len(reference)):
        same = np.flatnonzero(engine.labels == reference.labels[i])
        if not len(same):
            rows.append((np.inf, np.inf, np.nan))
            continue
        errors = np.abs(engine.boxes[same] - reference.boxes[i]).max(axis=1)
        j = int(same[np.argmin(errors)])
        score = abs(float(engine.scores[j] - reference.scores[i]))
        rows.append((float(errors.min()), score, _iou(reference, i, engine, j)))
    return rows


def _iou(a: Instances, i: int, b: Instances, j: int) -> float:
    if a.masks is None or b.masks is None:
        return float("nan")
    one, two = masks.decode(a.masks[i]).astype(bool), masks.decode(b.masks[j]).astype(bool)
    union = (one | two).sum()
    return float((one & two).sum() / union) if union else 1.0
