"""The arithmetic between MTCNN's networks, equal to `facenet_pytorch`'s `detect_face`: pyramid, crops, boxes.

Areas are averaged from one integral image of the photo, exactly, so that every level of the pyramid and every crop
takes a few look-ups per pixel, whatever its size.
"""

import cv2
import numpy as np

# The proposal network's stride and window in pixels.
STRIDE, WINDOW = 2, 12
# Each level of the pyramid is this much smaller than the one before.
SHRINK = 0.709


def integral(rgb: np.ndarray) -> np.ndarray:
    """(H + 1, W + 1, 3) int32 sums of all pixels above and left, of (H, W, 3) uint8 with at most 8 million pixels."""
    return cv2.integral(rgb, sdepth=cv2.CV_32S)


def scales(height: int, width: int, min_face: float) -> list[float]:
    """The scale of each level of the pyramid, for faces from `min_face` pixels on."""
    factors, scale = [], WINDOW / min_face
    shorter = min(height, width) * scale
    while shorter >= WINDOW:
        factors.append(scale)
        scale, shorter = scale * SHRINK, shorter * SHRINK
    return factors


def level(sums: np.ndarray, scale: float) -> np.ndarray:
    """(1, 3, h, w) float32: the whole photo at one scale, as a network takes it."""
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    top, bottom = _edges(np.array([0]), np.array([height]), int(height * scale + 1))
    left, right = _edges(np.array([0]), np.array([width]), int(width * scale + 1))
    lines = sums[bottom[0]] - sums[top[0]]
    totals = lines[:, right[0]] - lines[:, left[0]]
    counts = (bottom - top)[0][:, None] * (right - left)[0]
    return _normal(totals[None], counts[None])


def crops(sums: np.ndarray, windows: np.ndarray, size: int) -> np.ndarray:
    """(N, 3, size, size) float32: windows of the photo, as a network takes them.

    windows: (N, 4) int64, x1 y1 x2 y2 within the photo, none empty.
    """
    left, right = _edges(windows[:, 0], windows[:, 2], size)
    top, bottom = _edges(windows[:, 1], windows[:, 3], size)
    totals = sums[bottom[:, :, None], right[:, None]] - sums[top[:, :, None], right[:, None]]
    totals += sums[top[:, :, None], left[:, None]] - sums[bottom[:, :, None], left[:, None]]
    return _normal(totals, (bottom - top)[:, :, None] * (right - left)[:, None])


def _edges(start: np.ndarray, end: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First and past-last pixel, (N, size) each, of what a cell averages: torch's adaptive average pooling."""
    cells, length = np.arange(size), (end - start)[:, None]
    return start[:, None] + cells * length // size, start[:, None] - (-(cells + 1) * length // size)


def _normal(totals: np.ndarray, counts: np.ndarray) -> np.ndarray:
    means = totals.astype(np.float32) / counts[..., None].astype(np.float32)
    return np.ascontiguousarray(((means - np.float32(127.5)) * np.float32(0.0078125)).transpose(0, 3, 1, 2))


def proposals(
    faces: np.ndarray, offsets: np.ndarray, scale: float, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of one level that may show a face.

    Args:
        faces: (h, w) float32 probabilities; offsets: (4, h, w) float32.

    Returns:
        Boxes (N, 4) in pixels of the photo, scores (N,) and offsets (N, 4).
    """
    y, x = np.nonzero(faces >= np.float32(threshold))
    corner = np.stack([x, y], axis=1).astype(np.float32) * STRIDE
    first, last = (np.floor((corner + more) / np.float32(scale)) for more in (1, WINDOW))
    return np.concatenate([first, last], axis=1), faces[y, x], offsets[:, y, x].T


def moved(boxes: np.ndarray, offsets: np.ndarray, more: float) -> np.ndarray:
    """Boxes (N, 4), each side moved by offsets (N, 4) of the box's width and height, these `more` pixels greater."""
    size = boxes[:, 2:] - boxes[:, :2] + np.float32(more)
    moved: np.ndarray = boxes + offsets * np.concatenate([size, size], axis=1)
    return moved


def squares(boxes: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) about the same middles, both sides as long as the longer one."""
    size = boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1, keepdims=True, initial=0)
    corner = boxes[:, :2] + size * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([corner, corner + side], axis=1)


def windows_within(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """(N, 4) int64 x1 y1 x2 y2 of the pixels that boxes (N, 4) cover of a photo; they may cover none."""
    whole = np.trunc(boxes).astype(np.int64)
    first = np.maximum(whole[:, :2], 1) - 1
    return np.concatenate([first, np.minimum(whole[:, 2:], [width, height])], axis=1)


def suppress_inner(boxes: np.ndarray, scores: np.ndarray, max_shared: float) -> np.ndarray:
    """Indices of kept boxes, best first. None shares more than `max_shared` of the smaller box with a better one."""
    area = (boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1)
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[left, :2])
        high = np.minimum(boxes[best, 2:], boxes[left, 2:])
        shared = np.maximum(high - low + 1, 0).prod(axis=1)
        left = left[shared / np.minimum(area[best], area[left]) <= max_shared]
    return np.array(kept, np.int64)
