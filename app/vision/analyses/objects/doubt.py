"""How much a correction of a photo would tell: how doubtful the model was.

With scores s and the threshold t, and s' the score stretched so that t becomes 1/2 (s / 2t below t, and above it
1 - (1 - s) / 2(1 - t)):

    entropy = the mean of -s' log2 s' - (1 - s') log2 (1 - s') over the five most doubtful objects
    margin  = the largest 1 - |s1 - s2| of two classes on one place (boxes of an IoU of at least 1/2)
    around  = n / (n + 4), with n the number of scores within 0.15 of t
    doubt   = (entropy + margin + around) / 3

Each lies in 0..1, and is 0 where there is no such object. Entropy and margin are the measures of uncertainty sampling
(Settles, Active Learning Literature Survey, 2009, section 3.1), taken object by object as in detectors there is no
distribution over the photo. Only objects whose score is at least a quarter of the threshold count.
"""

from typing import Final

import numpy as np

from app.vision.analyses.objects.result import Instances

MOST: Final = 5
NEAR: Final = 0.15
HALF_OF_MANY: Final = 4
SAME_PLACE: Final = 0.5
COUNTED: Final = 0.25


def doubt(found: Instances, threshold: float) -> float:
    """How doubtful a model's answer is, 0..1. threshold: of what is shown, 0..1."""
    t = min(max(threshold, 1e-3), 1 - 1e-3)
    counted = found[found.scores >= COUNTED * t]
    if not len(counted):
        return 0.0
    scores = counted.scores.astype(np.float64)
    near = int((np.abs(scores - t) <= NEAR).sum())
    return (_entropy(scores, t) + _margin(counted) + near / (near + HALF_OF_MANY)) / 3


def _entropy(scores: np.ndarray, t: float) -> float:
    stretched = np.where(scores < t, scores / (2 * t), 1 - (1 - scores) / (2 * (1 - t)))
    p = np.clip(stretched, 1e-9, 1 - 1e-9)
    bits = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    return float(np.sort(bits)[-MOST:].mean())


def _margin(found: Instances) -> float:
    boxes, scores = found.boxes.astype(np.float64), found.scores.astype(np.float64)
    sides = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    shared = np.clip(sides, 0, None).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    united = areas[:, None] + areas[None, :] - shared
    rivals = (found.labels[:, None] != found.labels[None, :]) & (shared >= SAME_PLACE * united)
    close = 1 - np.abs(scores[:, None] - scores[None, :])
    return float(close[rivals].max(initial=0.0))
