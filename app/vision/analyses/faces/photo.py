"""What every engine of MTCNN does around its networks: the size of photos and faces looked at, and the answer."""

from dataclasses import dataclass

import cv2
import numpy as np

from app.vision.analyses.faces.result import Faces

# Faces smaller than this share of the shorter side, or than 20 pixels, are not looked for.
LEAST_FACE = 0.02
LEAST_PIXELS = 20
# Photos are looked at with at most this long side: MTCNN makes a pyramid of floats of the whole photo.
LONGEST = 1600


@dataclass(frozen=True)
class Found:
    """Faces in the pixels looked at: boxes (N, 4), scores (N,) and landmarks (N, 5, 2), float32."""

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    @classmethod
    def nothing(cls) -> "Found":
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))

    def in_photo(self, seen: tuple[int, int], size: tuple[int, int]) -> Faces:
        """The faces best first, in pixels of the photo. seen: (height, width) looked at; size: of the photo."""
        height, width = size
        scale = np.array([width / seen[1], height / seen[0]], np.float32)
        order = np.argsort(-self.scores, kind="stable")
        boxes = np.clip(self.boxes[order] * np.tile(scale, 2), 0, np.array([width, height] * 2, np.float32))
        return Faces(size, boxes, self.scores[order], self.landmarks[order] * scale)


def shrink(rgb: np.ndarray) -> np.ndarray:
    """The photo, (H, W, 3) uint8, no larger than it is looked at."""
    height, width = rgb.shape[:2]
    factor = min(1.0, LONGEST / max(height, width))
    if factor == 1:
        return rgb
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA)


def least_face(rgb: np.ndarray) -> float:
    """The side in pixels of the smallest face that is looked for; greater than a photo too small for any."""
    side: float = max(LEAST_PIXELS, LEAST_FACE * min(rgb.shape[:2]))
    return side
