"""Any detector of MMDetection 2.x, with its own pipeline and arithmetic, but masks that stay small.

MMDetection pastes every mask to the photo's full size at once, which takes gigabytes on a large photo
(https://github.com/roboflow/inference/issues/1586). Here each is pasted into its own box and encoded at once.
"""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmcv.parallel import collate, scatter
from mmdet.datasets import DATASETS, replace_ImageToTensor
from mmdet.datasets.pipelines import Compose
from mmdet.models import build_detector
from mmdet.models.roi_heads.mask_heads import FCNMaskHead

from app.vision import masks
from app.vision.analyzers.device import torch_device
from app.vision.catalogue import Model
from app.vision.checkpoints import Checkpoint, CheckpointError, load_weights, verify
from app.vision.paste import paste
from app.vision.results import RLE, Analysed, Instances, ModelCard

# Raised when the same weights and config would answer differently.
VERSION = "mmdet-1"
# Longest photo for its width that is resized as it is: at an input of 320 pixels the width is still two.
MOST_ASPECT = 100


class MMDetector:
    """The objects analyzer on an MMDetection config and checkpoint.

    Args:
        model: its catalogue entry; path: its weights; score_floor: least score of an instance that is kept.
    """

    def __init__(self, model: Model, path: Path, score_floor: float = 0.05):
        self.model, self.path, self.score_floor = model, path, score_floor
        version = VERSION if score_floor == 0.05 else f"{VERSION}-{score_floor:g}"
        self.card = ModelCard(
            model.analyzer, model.name, model.title, version, verify(path, model), model.classes, model.note
        )

    def load(self, device: str) -> None:
        """Build the network, read its weights, and look at a first photo: a strip, which is soon done.

        Raises CheckpointError when the weights do not fit the config, or it needs what this machine lacks.
        """
        checkpoint = load_weights(self.path, self.model)
        try:
            cfg = mmcv.Config.fromfile(str(self.model.config))
            self._net = build(cfg, checkpoint, self.score_floor)
        except (ImportError, KeyError, TypeError, AssertionError) as error:
            raise CheckpointError(f"The config of {self.model.name} cannot be built: {_line(error)}.") from error
        classes = self.card.classes or checkpoint.classes or _dataset_classes(cfg)
        self.card = dataclasses.replace(self.card, classes=classes)
        self._device = torch_device(device)
        self._net.to(self._device).eval()
        self._pipeline = pipeline(cfg)
        self._painter = MaskEncoder(self._net)
        try:
            self.analyse(np.full((8, 128, 3), 127, np.uint8))
        except (RuntimeError, NotImplementedError, AssertionError) as error:
            raise CheckpointError(
                f"{self.model.name} does not run on {self._device.type} here: {_line(error)}."
            ) from error

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
        data = collate([self._pipeline({"img": bgr})], samples_per_gpu=1)
        data["img_metas"] = [metas.data[0] for metas in data["img_metas"]]
        data["img"] = [image.data[0] for image in data["img"]]
        return scatter(data, [self._device])[0] if self._device.type == "cuda" else data

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
            encoded = tuple(_encoded(flat[i], size) for i in order)
        kept = np.clip(found[order, :4], 0, np.array([size[1], size[0]] * 2, np.float32))
        if encoded is not None and len(kept) and not kept.any():  # SOLO gives masks without boxes.
            kept = np.array([_box(mask) for mask in encoded], np.float32)
        return Instances(size, self.card.classes, kept, found[order, 4], labels[order].astype(np.int64), encoded)


class MaskEncoder:
    """Makes mask heads answer encoded masks where they would paste them to the photo's full size.

    `seconds` is the time that pasting and encoding took in the photo last looked at.
    """

    def __init__(self, net: torch.nn.Module):
        self.seconds = 0.0
        self._size = (0, 0)
        for head in net.modules():
            if isinstance(head, FCNMaskHead):
                head.get_seg_masks = self._encode_all(head)

    @contextmanager
    def at(self, size: tuple[int, int]) -> Iterator[None]:
        """Encode masks for a photo of this height and width."""
        self.seconds, self._size = 0.0, size
        yield

    def _encode_all(self, head: FCNMaskHead) -> Any:
        def get_seg_masks(
            mask_pred: Any,
            det_bboxes: torch.Tensor,
            det_labels: torch.Tensor,
            rcnn_test_cfg: Any,
            ori_shape: Sequence[int],
            scale_factor: Any,
            rescale: bool,
        ) -> list[list[RLE]]:
            began = time.perf_counter()
            squares = mask_pred.sigmoid() if isinstance(mask_pred, torch.Tensor) else det_bboxes.new_tensor(mask_pred)
            labels = det_labels.tolist()
            if not head.class_agnostic:
                squares = squares[range(len(squares)), det_labels][:, None]
            boxes = det_bboxes[:, :4]
            if rescale:
                boxes = boxes / torch.as_tensor(scale_factor).to(boxes)
            by_class: list[list[RLE]] = [[] for _ in range(head.num_classes)]
            pixels, corners = squares[:, 0].float().cpu().numpy(), boxes.float().cpu().numpy()
            for square, box, label in zip(pixels, corners, labels, strict=True):
                window, x, y = paste(square, box, self._size, rcnn_test_cfg.mask_thr_binary)
                by_class[label].append(masks.encode(window, x, y, self._size))
            self.seconds += time.perf_counter() - began
            return by_class

        return get_seg_masks


def build(cfg: mmcv.Config, checkpoint: Checkpoint, score_floor: float) -> torch.nn.Module:
    """The detector of a config with a checkpoint's weights, on the CPU, as `mmdet.apis.init_detector` makes it.

    Raises CheckpointError when the weights do not fit.
    """
    cfg.model.train_cfg = None
    _without_pretrained(cfg.model)
    test_cfg = cfg.model.get("test_cfg") or cfg.get("test_cfg")
    for part in (test_cfg, test_cfg.get("rcnn") if test_cfg else None):
        if part and "score_thr" in part:
            part["score_thr"] = score_floor
    net = build_detector(cfg.model, test_cfg=cfg.get("test_cfg"))
    state = checkpoint.state
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    try:
        missing, _ = net.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"The weights do not fit the config: {_line(error)}.") from error
    lost = [key for key in missing if not key.endswith("num_batches_tracked")]
    if lost:
        raise CheckpointError(f"The weights do not fit the config: {len(lost)} are missing, such as {lost[0]}.")
    return net


def pipeline(cfg: mmcv.Config) -> Compose:
    """The config's test pipeline, for photos already in memory: BGR, (H, W, 3) uint8, as `img`."""
    steps = [dict(step) for step in replace_ImageToTensor(cfg.data.test.pipeline)]
    steps[0]["type"] = "LoadImageFromWebcam"
    return Compose(steps)


def _widened(rgb: np.ndarray) -> np.ndarray:
    """The photo, with grey added on the right or below where it is so narrow that resizing would leave nothing."""
    height, width = rgb.shape[:2]
    least = math.ceil(max(height, width) / MOST_ASPECT)
    right, below = max(0, least - width), max(0, least - height)
    if not right and not below:
        return rgb
    return cv2.copyMakeBorder(rgb, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(127, 127, 127))


def _without_pretrained(part: Any) -> None:
    """Keep a detector and its parts from fetching weights of their own: a checkpoint holds them all."""
    if isinstance(part, dict):
        if part.get("pretrained"):
            part["pretrained"] = None if isinstance(part["pretrained"], str) else False
        init = part.get("init_cfg")
        if isinstance(init, dict) and init.get("type") == "Pretrained":
            part["init_cfg"] = None
        for value in part.values():
            _without_pretrained(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            _without_pretrained(value)


def _dataset_classes(cfg: mmcv.Config) -> tuple[str, ...]:
    dataset = DATASETS.get(cfg.get("dataset_type") or "CocoDataset")
    return tuple(dataset.CLASSES or ()) if dataset else ()


def _encoded(mask: Any, size: tuple[int, int]) -> RLE:
    """A mask of a detector as RLE: encoded already, or (H, W) bool, or COCO's dict."""
    if isinstance(mask, RLE):
        return mask
    if isinstance(mask, dict):
        counts = mask["counts"]
        return RLE(size, counts.decode("ascii") if isinstance(counts, bytes) else counts)
    return masks.from_bitmap(np.asarray(mask).astype(bool))


def _box(mask: RLE) -> tuple[float, float, float, float]:
    x, y, w, h = masks.bounds(mask)
    return x, y, x + w, y + h


def _line(error: BaseException) -> str:
    """The first line of an error's message, without the full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (
        lines[-1] if isinstance(error, RuntimeError) and len(lines) > 1 else (lines or [type(error).__name__])[0]
    ).rstrip(".")
