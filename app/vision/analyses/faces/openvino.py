"""Faces by MTCNN (Zhang et al., arXiv 1604.02878) on OpenVINO: three graphs with NumPy between them."""

import time
from pathlib import Path

import numpy as np

from app.config.settings import Settings
from app.vision.analyses import registry
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.faces import mtcnn
from app.vision.analyses.faces.processing import Detections, min_face_side, shrink
from app.vision.analyses.objects.boxes import suppress
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import Model
from app.vision.engine.record import EngineError, read_record
from app.vision.engine.runtime import Graph, Runtime, small_runtime
from app.vision.results import Analysed, ModelCard

# Raised when the same engine would answer differently. These networks always compute in f32: they are small, and
# their scores in bf16 are too coarse to compare with the thresholds.
VERSION = "openvino-1-f32"
# Of the proposal, the refining and the output network.
THRESHOLDS = 0.6, 0.7, 0.7
NETS = ("pnet", "rnet", "onet")
# Pixels a call of the first network, and of the other two: bounds the memory of their features.
STRIP_PIXELS = 1 << 17
CROP_PIXELS = 1 << 17


def make(model: Model, folder: Path, settings: Settings) -> "OpenVINOFaces":
    """The analyzer of a catalogue entry on its engine folder."""
    digest = read_record(folder)["source"]["checkpoint"]
    card = ModelCard(model.analyzer, model.name, model.title, VERSION, digest, note=model.note)
    return OpenVINOFaces(folder, card, small_runtime(settings, registry.find(model.analyzer).scarce_mb))


class OpenVINOFaces(Analyzer):
    """The faces analyzer on an engine folder written by `app.vision.analyses.faces.build`."""

    def __init__(self, folder: Path, card: ModelCard, runtime: Runtime):
        self.card, self.folder, self.runtime = card, folder, runtime

    def load(self, device: str) -> None:
        """Compile the graphs. device: always the CPU here. Raises CheckpointError when they cannot be read."""
        try:
            read_record(self.folder)
            graphs = [Graph(self.runtime, self.folder / f"{name}.xml") for name in NETS]
        except (EngineError, RuntimeError) as error:
            raise CheckpointError(f"The engine in {self.folder} is broken; delete it, run `make engine`.") from error
        for graph in graphs:
            graph.unload()
        self._propose, self._refine, self._finish = graphs

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Find faces in an upright photo, (H, W, 3) uint8 RGB."""
        began = time.perf_counter()
        size = (int(rgb.shape[0]), int(rgb.shape[1]))
        rgb = shrink(rgb)
        seen, min_side = (int(rgb.shape[0]), int(rgb.shape[1])), min_face_side(rgb)
        prepared = time.perf_counter()
        detections = self._find(mtcnn.integral(rgb), min_side) if min(seen) >= min_side else Detections.none()
        faces = detections.in_photo(seen, size)
        return Analysed(self.card, faces, {"preprocess": prepared - began, "network": time.perf_counter() - prepared})

    def _find(self, sums: np.ndarray, min_side: float) -> Detections:
        """sums: as `mtcnn.integral` makes them; min_side: side of the smallest face in pixels."""
        boxes = self._first(sums, min_side)
        boxes = self._second(sums, boxes)
        return self._third(sums, boxes)

    def _first(self, sums: np.ndarray, min_side: float) -> np.ndarray:
        """(N, 4) squares that may hold a face, by the proposal network at every scale."""
        parts = []
        for number, scale in enumerate(mtcnn.scales(sums.shape[0] - 1, sums.shape[1] - 1, min_side)):
            boxes, scores, offsets = mtcnn.proposals(*self._dense(mtcnn.level(sums, scale)), scale, THRESHOLDS[0])
            parts.append((boxes, scores, offsets, np.full(len(boxes), number)))
        self._propose.unload()
        boxes, scores, offsets, levels = (np.concatenate(values) for values in zip(*parts, strict=True))
        kept = suppress(boxes, scores, levels, 0.5, len(boxes))
        kept = kept[suppress(boxes[kept], scores[kept], np.zeros(len(kept)), 0.7, len(kept))]
        return mtcnn.squares(mtcnn.moved(boxes[kept], offsets[kept], 0))

    def _dense(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (h, w) and offsets (4, h, w) of every window of a level.

        Strip by strip: each answers for an even number of rows and sees the rows that its last windows reach into.
        """
        faces, offsets = [], []
        rows = max(1, STRIP_PIXELS // image.shape[3] // mtcnn.STRIDE) * mtcnn.STRIDE
        for top in range(0, max(1, image.shape[2] - mtcnn.WINDOW + mtcnn.STRIDE), rows):
            strip = np.ascontiguousarray(image[:, :, top : top + rows + mtcnn.WINDOW - mtcnn.STRIDE])
            moves, chances = self._propose(strip)
            faces.append(chances[0, 1].copy())
            offsets.append(moves[0].copy())
        return np.concatenate(faces), np.concatenate(offsets, axis=1)

    def _second(self, sums: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) squares that the refining network holds for faces, moved as it says."""
        boxes, outputs = _seen_by(self._refine, 24, sums, boxes)
        if not len(boxes):
            return boxes
        offsets, scores = outputs[0], outputs[1][:, 1]
        sure = scores > np.float32(THRESHOLDS[1])
        boxes, offsets, scores = boxes[sure], offsets[sure], scores[sure]
        kept = suppress(boxes, scores, np.zeros(len(boxes)), 0.7, len(boxes))
        return mtcnn.squares(mtcnn.moved(boxes[kept], offsets[kept], 1))

    def _third(self, sums: np.ndarray, boxes: np.ndarray) -> Detections:
        """The faces, by the output network, with their landmarks."""
        boxes, outputs = _seen_by(self._finish, 48, sums, boxes)
        if not len(boxes):
            return Detections.none()
        sure = outputs[2][:, 1] > np.float32(THRESHOLDS[2])
        boxes, offsets, marks, scores = boxes[sure], outputs[0][sure], outputs[1][sure], outputs[2][sure, 1]
        # The network says five x, then five y, in shares of the box.
        shares = marks.reshape(-1, 2, 5).transpose(0, 2, 1)
        landmarks = shares * (boxes[:, 2:] - boxes[:, :2] + 1)[:, None] + boxes[:, None, :2] - 1
        boxes = mtcnn.moved(boxes, offsets, 1)
        kept = mtcnn.suppress_inner(boxes, scores, 0.7)
        return Detections(boxes[kept], scores[kept], landmarks[kept])


def _seen_by(graph: Graph, size: int, sums: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The boxes that lie on the photo at all, and what a network says of each, (N, ...) an output."""
    windows = mtcnn.windows_within(boxes, sums.shape[0] - 1, sums.shape[1] - 1)
    there = (windows[:, 2:] > windows[:, :2]).all(axis=1)
    boxes, windows = boxes[there], windows[there]
    many = CROP_PIXELS // size**2
    chunks = (mtcnn.crops(sums, windows[first : first + many], size) for first in range(0, len(boxes), many))
    answers = [[output.copy() for output in graph(chunk)] for chunk in chunks]
    graph.unload()
    return boxes, [np.concatenate(values) for values in zip(*answers, strict=True)]
