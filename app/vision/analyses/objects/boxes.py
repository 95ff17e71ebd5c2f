"""Box arithmetic of two-stage detectors, equal to MMDetection's: anchors, deltas, suppression."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

# mmdet/core/bbox/coder/delta_xywh_bbox_coder.py: wh_ratio_clip = 16 / 1000.
MAX_LOG_RATIO = float(np.abs(np.log(16 / 1000)))


def grid_anchors(base: np.ndarray, step: tuple[int, int], width: int, chosen: np.ndarray) -> np.ndarray:
    """The chosen anchors of one level.

    Args:
        base: (A, 4) float32 anchors of the cell at the origin; step: pixels from cell to cell, down and across;
        width: of the level's map;
        chosen: (K,) flat indices into (height, width, A).

    Returns:
        (K, 4) float32, x1 y1 x2 y2.
    """
    cell, anchor = np.divmod(chosen, len(base))
    y, x = np.divmod(cell, width)
    down, across = step
    return base[anchor] + np.stack([x * across, y * down] * 2, axis=1).astype(np.float32)


def decode_deltas(
    boxes: np.ndarray, deltas: np.ndarray, means: Sequence[float], stds: Sequence[float], shape: tuple[int, int]
) -> np.ndarray:
    """Boxes moved by predicted deltas and clipped to the photo, as `delta2bbox`.

    Args:
        boxes: (N, 4) float32; deltas: (N, 4 * K) float32, dx dy dw dh; shape: (height, width) to clip to.

    Returns:
        (N, K, 4) float32, x1 y1 x2 y2.
    """
    deltas = deltas.reshape(len(boxes), -1, 4) * np.array(stds, np.float32) + np.array(means, np.float32)
    centre = ((boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5))[:, None]
    size = (boxes[:, 2:] - boxes[:, :2])[:, None]
    centre = centre + size * deltas[:, :, :2]
    half = size * np.exp(np.clip(deltas[:, :, 2:], -MAX_LOG_RATIO, MAX_LOG_RATIO)) * np.float32(0.5)
    moved = np.concatenate([centre - half, centre + half], axis=2)
    limit = np.array([shape[1], shape[0]] * 2, np.float32)
    return np.clip(moved, 0, limit, out=moved)


def suppress(boxes: np.ndarray, scores: np.ndarray, groups: np.ndarray, iou: float, limit: int) -> np.ndarray:
    """Greedy non-maximum suppression within groups (classes, or pyramid levels).

    Args:
        boxes: (N, 4) float32; scores: (N,), above zero; groups: (N,) int; iou: greatest overlap of two kept boxes.

    Returns:
        Indices of the kept boxes, best first, at most `limit`.
    """
    kept = []
    corner_size: Any = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        values: Any = scores[members]
        found = cv2.dnn.NMSBoxes(corner_size[members], values, 0.0, iou, top_k=0)
        kept.append(members[np.asarray(found, np.int64).reshape(-1)])
    if not kept:
        return np.zeros(0, np.int64)
    indices = np.concatenate(kept)
    return indices[np.argsort(-scores[indices], kind="stable")][:limit]


def best(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` highest of (N,) scores, best first; of all when there are fewer."""
    if len(scores) > count > 0:
        chosen = np.argpartition(-scores, count)[:count]
        return chosen[np.argsort(-scores[chosen], kind="stable")]
    return np.arange(len(scores))
