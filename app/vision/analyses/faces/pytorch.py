"""Faces by MTCNN (Zhang et al., arXiv 1604.02878), with the weights that `facenet-pytorch` brings along."""

import time

import numpy as np
from facenet_pytorch import MTCNN

from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.faces.processing import Detections, min_face_side, shrink
from app.vision.catalogue.models import Model
from app.vision.catalogue.packages import checksum, package_weights
from app.vision.engine.device import torch_device
from app.vision.results import Analysed, ModelCard

# Raised when the same weights would answer differently.
VERSION = "mtcnn-1"


class FaceFinder(Analyzer):
    """The faces analyzer on PyTorch."""

    def __init__(self, model: Model):
        digest = checksum(package_weights(model.package))
        self.card = ModelCard(model.analyzer, model.name, model.title, VERSION, digest, note=model.note)

    def load(self, device: str) -> None:
        """Read the three networks."""
        self._device = torch_device(device)
        self._net = MTCNN(keep_all=True, select_largest=False, device=self._device).eval()

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Find faces in an upright photo, (H, W, 3) uint8 RGB."""
        began = time.perf_counter()
        size = (int(rgb.shape[0]), int(rgb.shape[1]))
        rgb = shrink(rgb)
        prepared = time.perf_counter()
        faces = self._find(rgb).in_photo((rgb.shape[0], rgb.shape[1]), size)
        return Analysed(self.card, faces, {"preprocess": prepared - began, "network": time.perf_counter() - prepared})

    def _find(self, rgb: np.ndarray) -> Detections:
        self._net.min_face_size = min_face_side(rgb)
        if min(rgb.shape[:2]) < self._net.min_face_size:
            return Detections.none()
        boxes, scores, landmarks = self._net.detect(rgb, landmarks=True)
        if boxes is None:
            return Detections.none()
        return Detections(*(np.asarray(values, np.float32) for values in (boxes, scores, landmarks)))
