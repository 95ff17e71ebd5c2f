"""Two-stage detectors on OpenVINO: three graphs with NumPy between them.

The dense graph (backbone, pyramid, proposal network) and the two heads run in OpenVINO; choosing proposals, pooling
regions, suppression and pasting are a few vectorised lines here, which is faster than the same inside a dynamic graph
and keeps one photo's memory at one pyramid.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.config.settings import Settings
from app.system.machine import cpu_count
from app.vision import masks
from app.vision.analyses import registry
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.objects import boxes as box_math
from app.vision.analyses.objects.memory import plan_memory
from app.vision.analyses.objects.preprocess import prepare
from app.vision.analyses.objects.result import Instances
from app.vision.analyses.objects.roi_align import pool_levels
from app.vision.analyses.objects.spec import EngineSpec, PoolSpec
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import Model
from app.vision.catalogue.packages import checksum
from app.vision.engine.memory import worker_limit_mb
from app.vision.engine.runtime import Graph, Runtime, widen
from app.vision.paste import paste
from app.vision.results import Analysed, ModelCard
from app.vision.rows import RLE

log = logging.getLogger(__name__)

# Cells of pooled regions a call of a head, 256 regions of 7 x 7: bounds the memory of a head's features.
CHUNK_CELLS = 256 * 49

# Raised when the same engine would answer differently.
VERSION = "openvino-2"


def make(model: Model, folder: Path, settings: Settings) -> "OpenVINODetector":
    """The analyzer of a catalogue entry on its engine folder, fitted into the memory and the cores that there are.

    Raises CheckpointError where PRECISION=int8 asks for graphs that were not made.
    """
    runtime = Runtime(settings.precision, max(1, cpu_count() // settings.workers))
    if runtime.precision == "int8" and not (folder / "dense-int8.xml").is_file():
        raise CheckpointError(f"{model.title} has no int8 engine; run `make engine QUANTIZE=<folder of photos>`.")
    spec = EngineSpec.read(folder)
    limit = worker_limit_mb(settings)
    kind = (runtime.precision, runtime.floating)
    weights_mb = sum(file.stat().st_size for file in _weights(folder, runtime)) / 2**20
    others = [name for name in settings.analysis_names or registry.default_names() if name != model.analyzer]
    others_mb = registry.kept_mb(others, limit)
    plan = plan_memory(limit, weights_mb, kind, spec.preprocessing.scale, others_mb)
    if not plan.enough:
        log.warning("%s may need more than the %d MB that a worker has.", model.title, limit)
    floor, note = settings.score_floor, model.note
    if plan.frugal:
        runtime.save_memory()
    version = f"{VERSION}-{runtime.precision}-{_digits(folder, spec, runtime)}"
    version += "" if floor == 0.05 else f"-{floor:g}"
    if plan.reduced:
        short = min(plan.scale)
        version += f"-{short}px"
        small = f"To fit into {limit:.0f} MB of memory, photos are looked at with a short side of {short} pixels."
        note = f"{note} {small}".strip()
    spec = replace(spec, preprocessing=replace(spec.preprocessing, scale=plan.scale))
    card = ModelCard(model.analyzer, model.name, model.title, version, spec.source["checkpoint"], spec.classes, note)
    return OpenVINODetector(folder, spec, card, runtime, score_floor=floor)


def _suffix(runtime: Runtime) -> str:
    """What the graphs of a precision have at the end of their names."""
    return "" if runtime.precision == "bf16" else f"-{runtime.precision}"


def _digits(folder: Path, spec: EngineSpec, runtime: Runtime) -> str:
    """Of what makes engines of the same weights answer differently: the config, and for int8 the photos it was made
    with, which show in its graphs."""
    config = spec.source.get("config", "")[:8]
    return f"{config}-{checksum(_weights(folder, runtime))[:8]}" if runtime.precision == "int8" else config


def _weights(folder: Path, runtime: Runtime) -> tuple[Path, ...]:
    files = (folder / f"{name}{_suffix(runtime)}.bin" for name in ("dense", "boxes", "masks"))
    return tuple(file for file in files if file.is_file())


class OpenVINODetector(Analyzer):
    """The objects analyzer on an engine folder written by `app.vision.analyses.objects.build`."""

    def __init__(
        self,
        folder: Path,
        spec: EngineSpec,
        card: ModelCard,
        runtime: Runtime,
        *,
        score_floor: float | None = None,
    ):
        self.folder, self.spec, self.card, self.runtime = folder, spec, card, runtime
        self.score_floor = spec.boxes.score if score_floor is None else score_floor

    def load(self, device: str) -> None:
        """Compile the graphs. device: always the CPU here. Raises CheckpointError when they cannot be read."""
        levels = len(self.spec.boxes.pool.strides)
        try:
            self._dense = self._graph("dense", exact=True, narrow=levels)
            self._boxes = self._graph("boxes")
            self._masks = self._graph("masks") if self.spec.masks else None
        except RuntimeError as error:
            raise CheckpointError(f"The engine in {self.folder} is broken; delete it, run `make engine`.") from error
        self.threads = ThreadPoolExecutor(self.runtime.threads)

    def _graph(self, name: str, *, exact: bool = False, narrow: int = 0) -> Graph:
        path = self.folder / f"{name}{_suffix(self.runtime)}.xml"
        return Graph(self.runtime, path, exact=exact, narrow=narrow)

    def release_memory(self) -> None:
        """If memory is short, free the compiled graphs; the next photo compiles them again in half a second."""
        for graph in (self._dense, self._boxes, self._masks):
            if graph is not None:
                graph.unload()

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Find objects in an upright photo, (H, W, 3) uint8 RGB."""
        began = time.perf_counter()
        size = (int(rgb.shape[0]), int(rgb.shape[1]))
        image, shape, scale = prepare(rgb, self.spec.preprocessing)
        del rgb
        prepared = time.perf_counter()
        pyramid, proposals = self.propose(image, shape)
        found, scores, labels = self._classify(pyramid, proposals, shape, scale)
        squares = self._segment(pyramid, found * scale, labels)
        ran = time.perf_counter()
        encoded = None if squares is None else self._paste(squares, found, size)
        instances = Instances(size, self.spec.classes, found, scores, labels, encoded)
        timings = {"preprocess": prepared - began, "network": ran - prepared}
        return Analysed(self.card, instances, {**timings, "postprocess": time.perf_counter() - ran})

    def propose(self, image: np.ndarray, shape: tuple[int, int]) -> tuple[list[np.ndarray], np.ndarray]:
        """The pyramid, (H, W, C) maps, and (N, 4) proposals in pixels of the network's input, best first."""
        spec = self.spec.proposals
        outputs = self._dense(image)
        self._dense.release_buffers()
        levels = len(spec.strides)
        pyramid = [widen(output[0], self.threads, self.runtime.threads) for output in outputs[: -2 * levels]]
        candidates, scores, groups = [], [], []
        for level in range(levels):
            objectness = outputs[len(pyramid) + level][0]
            deltas = outputs[len(pyramid) + levels + level][0]
            base = np.array(spec.anchors[level], np.float32)
            flat = objectness.reshape(-1)
            chosen = box_math.best(flat, spec.before)
            height, width = objectness.shape[:2]
            stride = spec.strides[level]
            step = (image.shape[2] // height, image.shape[3] // width) if spec.fitted else (stride, stride)
            anchors = box_math.grid_anchors(base, step, width, chosen)
            picked = deltas.reshape(-1, 4)[chosen]
            candidates.append(box_math.decode_deltas(anchors, picked, spec.means, spec.stds, shape)[:, 0])
            scores.append(flat[chosen])
            groups.append(np.full(len(chosen), level))
        all_boxes, all_scores, all_groups = np.concatenate(candidates), np.concatenate(scores), np.concatenate(groups)
        sides = all_boxes[:, 2:] - all_boxes[:, :2]
        valid = np.flatnonzero((sides > spec.min_size).all(axis=1))
        kept = box_math.suppress(all_boxes[valid], all_scores[valid], all_groups[valid], spec.iou, spec.limit)
        return pyramid, all_boxes[valid][kept]

    def _classify(
        self, pyramid: list[np.ndarray], proposals: np.ndarray, shape: tuple[int, int], scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N, 4) boxes in pixels of the photo, (N,) scores and labels, best first."""
        spec = self.spec.boxes
        outputs = self._head(self._boxes, pyramid, proposals, spec.pool)
        if outputs is None:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
        scores, deltas = outputs
        moved = box_math.decode_deltas(proposals, deltas, spec.means, spec.stds, shape) / scale
        region, label = np.nonzero(scores[:, :-1] > self.score_floor)
        candidates = moved[region, label if moved.shape[1] > 1 else 0]
        kept = box_math.suppress(candidates, scores[region, label], label, spec.iou, spec.limit)
        return candidates[kept], scores[region, label][kept], label[kept].astype(np.int64)

    def _segment(self, pyramid: list[np.ndarray], found: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
        """(N, S, S) float32 mask probabilities of each box's own class."""
        spec = self.spec.masks
        if spec is None or self._masks is None:
            return None
        outputs = self._head(self._masks, pyramid, found, spec.pool, None if spec.agnostic else labels)
        return np.zeros((0, 1, 1), np.float32) if outputs is None else outputs[0]

    def _head(
        self,
        graph: Graph,
        pyramid: list[np.ndarray],
        regions: np.ndarray,
        pool: PoolSpec,
        labels: np.ndarray | None = None,
    ) -> list[np.ndarray] | None:
        """A head's outputs for all regions, in chunks; of a mask head only each region's own class (or the one)."""
        results: list[list[np.ndarray]] = []
        chunk = max(1, CHUNK_CELLS // pool.size**2)
        for first in range(0, len(regions), chunk):
            chosen = regions[first : first + chunk]
            levels = pyramid[: len(pool.strides)]
            pooled = pool_levels(levels, chosen, pool, self.threads, 4 * self.runtime.threads)
            outputs = graph(pooled)
            if len(outputs) == 1:
                own = labels[first : first + chunk] if labels is not None else 0
                results.append([outputs[0][np.arange(len(chosen)), own]])
            else:
                results.append([output.copy() for output in outputs])
        graph.release_buffers()
        return [np.concatenate(parts) for parts in zip(*results, strict=True)] if results else None

    def _paste(self, squares: np.ndarray, found: np.ndarray, size: tuple[int, int]) -> tuple[RLE, ...]:
        assert self.spec.masks is not None
        threshold = self.spec.masks.threshold
        pasted = (paste(square, box, size, threshold) for square, box in zip(squares, found, strict=True))
        return tuple(masks.encode(window, x, y, size) for window, x, y in pasted)
