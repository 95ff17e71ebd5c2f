"""Any detector of MMDetection 2.x, with its own pipeline and arithmetic, but masks that stay small.

MMDetection pastes every mask to the photo's full size at once, which takes gigabytes on a large photo
(https://github.com/roboflow/inference/issues/1586). Here each is pasted into its own box and encoded at once.
"""

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmcv.parallel import collate, scatter

from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.objects.mmdet_build import (
    build,
    class_count,
    dataset_classes,
    pipeline,
    read_config,
    telling_line,
)
from app.vision.analyses.objects.mmdet_masks import MaskEncoder, box_of, encoded_mask
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.checkpoints import Checkpoint, CheckpointError, load_weights, verify
from app.vision.catalogue.config_text import digest
from app.vision.catalogue.models import Model
from app.vision.engine.device import mmcv_device
from app.vision.results import Analysed, ModelCard

# Raised when the same weights and config would answer differently.
VERSION = "mmdet-1"
# Longest photo for its width that is resized as it is: at an input of 320 pixels the width is still two.
MAX_ASPECT = 100


class MMDetector(Analyzer):
    """The objects analyzer on an MMDetection config and checkpoint.

    Args:
        model: its catalogue entry; path: its weights; score_floor: minimum score of an instance that is kept.
    """

    def __init__(self, model: Model, path: Path, score_floor: float = 0.05):
        self.model, self.path, self.score_floor = model, path, score_floor
        assert model.config is not None
        version = f"{VERSION}-{digest(model.config)[:8]}" + ("" if score_floor == 0.05 else f"-{score_floor:g}")
        self.card = ModelCard(
            model.analyzer, model.name, model.title, version, verify(path, model), model.classes, model.note
        )

    def load(self, device: str) -> None:
        """Build the network, read its weights, and look at a first photo: a strip, which is soon done.

        Raises CheckpointError when the weights do not fit the config, or it needs what this machine lacks.
        """
        checkpoint = load_weights(self.path, self.model)
        try:
            assert self.model.config is not None
            cfg = read_config(self.model.config)
            self._net = build(cfg, checkpoint, self.score_floor)
        except (ImportError, KeyError, TypeError, AssertionError) as error:
            raise CheckpointError(f"The config of {self.model.name} cannot be built: {telling_line(error)}.") from error
        self.card = dataclasses.replace(self.card, classes=self._classes(cfg, checkpoint))
        self._device = mmcv_device(device)
        self._net.to(self._device).eval()
        self._pipeline = pipeline(cfg)
        self._painter = MaskEncoder(self._net)
        try:
            self.analyse(np.full((8, 128, 3), 127, np.uint8))
        except (RuntimeError, NotImplementedError, AssertionError) as error:
            raise CheckpointError(
                f"{self.model.name} does not run on {self._device.type} here: {telling_line(error)}."
            ) from error

    def _classes(self, cfg: mmcv.Config, checkpoint: Checkpoint) -> tuple[str, ...]:
        """Class names by the catalogue, else the checkpoint, else the config's data set; numbers where none has any."""
        count = class_count(self._net)
        names = self.model.classes or checkpoint.classes or dataset_classes(cfg)
        if not names and count:
            return tuple(f"class {number}" for number in range(1, count + 1))
        if count and len(names) != count:
            raise CheckpointError(f"{self.model.name} tells {count} classes apart, but {len(names)} are named.")
        return names

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Find objects in an upright photo, (H, W, 3) uint8 RGB."""
        began = time.perf_counter()
        size = (int(rgb.shape[0]), int(rgb.shape[1]))
        data = self._prepare(rgb)
        del rgb
        prepared = time.perf_counter()
        with torch.inference_mode(), self._painter.at(size):
            answer = self._net(return_loss=False, rescale=True, **data)[0]
        ran = time.perf_counter()
        instances = self._instances(answer, size)
        pasting = self._painter.seconds
        timings = {
            "preprocess": prepared - began,
            "network": ran - prepared - pasting,
            "postprocess": time.perf_counter() - ran + pasting,
        }
        return Analysed(self.card, instances, timings)

    def _prepare(self, rgb: np.ndarray) -> dict[str, Any]:
        """What the config's own test pipeline makes of a photo, batched as `inference_detector` does it."""
        bgr = cv2.cvtColor(_widened(rgb), cv2.COLOR_RGB2BGR)
        data: dict[str, Any] = collate([self._pipeline({"img": bgr})], samples_per_gpu=1)
        data["img_metas"] = [metas.data[0] for metas in data["img_metas"]]
        data["img"] = [image.data[0] for image in data["img"]]
        if self._device.type == "cuda":
            (data,) = scatter(data, [self._device])
        return data

    def _instances(self, answer: Any, size: tuple[int, int]) -> Instances:
        """MMDetection's answer, lists by class, as instances, best first."""
        boxes, segments = answer if isinstance(answer, tuple) else (answer, None)
        if isinstance(segments, tuple):  # Mask Scoring R-CNN adds the masks' own scores.
            segments = segments[0]
        found = np.concatenate([np.asarray(b, np.float32).reshape(-1, 5) for b in boxes])
        labels = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])
        order = np.argsort(-found[:, 4], kind="stable")
        order = order[found[order, 4] > self.score_floor]
        encoded = None
        if segments is not None:
            flat = [segment for of_class in segments for segment in of_class]
            encoded = tuple(encoded_mask(flat[i], size) for i in order)
        kept = np.clip(found[order, :4], 0, np.array([size[1], size[0]] * 2, np.float32))
        if encoded is not None and len(kept) and not kept.any():  # SOLO gives masks without boxes.
            kept = np.array([box_of(mask) for mask in encoded], np.float32)
        return Instances(size, self.card.classes, kept, found[order, 4], labels[order].astype(np.int64), encoded)


def _widened(rgb: np.ndarray) -> np.ndarray:
    """The photo, with grey added on the right or below where it is so narrow that resizing would leave nothing."""
    height, width = rgb.shape[:2]
    min_side = math.ceil(max(height, width) / MAX_ASPECT)
    right, below = max(0, min_side - width), max(0, min_side - height)
    if not right and not below:
        return rgb
    return cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(127, 127, 127))
