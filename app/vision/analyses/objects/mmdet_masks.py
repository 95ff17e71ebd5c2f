"""Masks of MMDetection's detectors, each pasted into its own box and encoded at once."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead

from app.vision import masks
from app.vision.paste import paste
from app.vision.rows import RLE


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
                if not window.size:  # Some detectors do not keep their boxes within the photo.
                    x = y = 0
                by_class[label].append(masks.encode(window, x, y, self._size))
            self.seconds += time.perf_counter() - began
            return by_class

        return get_seg_masks


def encoded_mask(mask: Any, size: tuple[int, int]) -> RLE:
    """A mask of a detector as RLE: encoded already, or (H, W) bool, or COCO's dict."""
    if isinstance(mask, RLE):
        return mask
    if isinstance(mask, dict):
        counts = mask["counts"]
        return RLE(size, counts.decode("ascii") if isinstance(counts, bytes) else counts)
    return masks.from_bitmap(np.asarray(mask).astype(bool))


def box_of(mask: RLE) -> tuple[float, float, float, float]:
    x, y, w, h = masks.bounds(mask)
    return x, y, x + w, y + h
