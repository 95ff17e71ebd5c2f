"""Pre- and postprocessing of MTCNN, common to its engines: the sizes of photos and faces, and the result."""

from dataclasses import dataclass

import cv2
import numpy as np

from app.vision.analyses.faces.result import Faces

# Minimum size of a face, as a share of the shorter side and in pixels.
MIN_FACE = 0.02
MIN_PIXELS = 20
# Maximum longer side in pixels: MTCNN makes a pyramid of floats of the whole photo.
MAX_SIDE = 1600


@dataclass(frozen=True)
class Detections:
    """Faces in pixels of the network's input: boxes (N, 4), scores (N,) and landmarks (N, 5, 2), float32."""

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    @classmethod
    def none(cls) -> "Detections":
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))

    def in_photo(self, seen: tuple[int, int], size: tuple[int, int]) -> Faces:
        """The faces best first, in pixels of the photo. seen: (height, width) of the input; size: of the photo."""
        height, width = size
        scale = np.array([width / seen[1], height / seen[0]], np.float32)
        order = np.argsort(-self.scores, kind="stable")
        boxes = np.clip(self.boxes[order] * np.tile(scale, 2), 0, np.array([width, height] * 2, np.float32))
        return Faces(size, boxes, self.scores[order], self.landmarks[order] * scale)


def shrink(rgb: np.ndarray) -> np.ndarray:
    """The photo, (H, W, 3) uint8, reduced to MAX_SIDE."""
    height, width = rgb.shape[:2]
    factor = min(1.0, MAX_SIDE / max(height, width))
    if factor == 1:
        return rgb
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA)


def min_face_side(rgb: np.ndarray) -> float:
    """Minimum side of a face in pixels. It is larger than a photo that is too small for any face."""
    side: float = max(MIN_PIXELS, MIN_FACE * min(rgb.shape[:2]))
    return side
