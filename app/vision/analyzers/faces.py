"""Faces by MTCNN (Zhang et al., arXiv 1604.02878), with the weights that `facenet-pytorch` brings along."""

import hashlib
import time
from pathlib import Path

import cv2
import facenet_pytorch
import numpy as np
from facenet_pytorch import MTCNN

from app.vision.analyzers.device import torch_device
from app.vision.catalogue import Model
from app.vision.results import Analysed, Faces, ModelCard

# Raised when the same weights would answer differently.
VERSION = "mtcnn-1"
# Faces smaller than this share of the shorter side, or than 20 pixels, are not looked for.
LEAST_FACE = 0.02
LEAST_PIXELS = 20
# Photos are looked at with at most this long side: MTCNN makes a pyramid of floats of the whole photo.
LONGEST = 1600
NETS = ("pnet", "rnet", "onet")


class FaceFinder:
    """The faces analyzer."""

    def __init__(self, model: Model):
        self.card = ModelCard(model.analyzer, model.name, model.title, VERSION, _checksum(), note=model.note)

    def load(self, device: str) -> None:
        """Read the three networks."""
        self._device = torch_device(device)
        self._net = MTCNN(keep_all=True, select_largest=False, device=self._device).eval()

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Find faces in an upright photo, (H, W, 3) uint8 RGB."""
        began = time.perf_counter()
        height, width = rgb.shape[:2]
        factor = min(1.0, LONGEST / max(height, width))
        if factor < 1:
            shape = (max(1, round(width * factor)), max(1, round(height * factor)))
            rgb = cv2.resize(rgb, shape, interpolation=cv2.INTER_AREA)
        prepared = time.perf_counter()
        boxes, scores, landmarks = self._find(rgb)
        scale = np.array([width / rgb.shape[1], height / rgb.shape[0]], np.float32)
        limit = np.array([width, height] * 2, np.float32)
        boxes = np.clip(boxes * np.tile(scale, 2), 0, limit)
        faces = Faces((height, width), boxes, scores, landmarks * scale)
        return Analysed(self.card, faces, {"preprocess": prepared - began, "network": time.perf_counter() - prepared})

    def _find(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (N, 4), scores (N,) and landmarks (N, 5, 2), best first, in pixels of the photo given."""
        shorter = min(rgb.shape[:2])
        self._net.min_face_size = max(LEAST_PIXELS, LEAST_FACE * shorter)
        nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32)
        if shorter < self._net.min_face_size:
            return nothing
        boxes, scores, landmarks = self._net.detect(rgb, landmarks=True)
        if boxes is None:
            return nothing
        order = np.argsort(-scores.astype(np.float32), kind="stable")
        found = (np.asarray(values, np.float32)[order] for values in (boxes, scores, landmarks))
        return next(found), next(found), next(found)


def _checksum() -> str:
    """SHA-256 of the three networks' files together."""
    digest = hashlib.sha256()
    for name in NETS:
        digest.update((Path(facenet_pytorch.__file__).parent / "data" / f"{name}.pt").read_bytes())
    return digest.hexdigest()
