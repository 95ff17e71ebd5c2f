"""A RoI head that trains masks on the instances that have one, and boxes on all instances."""

from types import SimpleNamespace
from typing import Any

import torch
from mmdet.core import bbox2roi
from mmdet.models import HEADS
from mmdet.models.roi_heads import StandardRoIHead


@HEADS.register_module()
class PartialMaskRoIHead(StandardRoIHead):
    """`StandardRoIHead` whose mask loss leaves out instances without a mask.

    The bitmap of an instance without a mask is all zero in `gt_masks`. If no instance has one, the mask loss is zero.
    """

    def _mask_forward_train(
        self, x: Any, sampling_results: Any, bbox_feats: Any, gt_masks: Any, img_metas: Any
    ) -> dict[str, Any]:
        kept = [with_masks(s, masks) for s, masks in zip(sampling_results, gt_masks, strict=True)]
        if not sum(len(s.pos_bboxes) for s in kept):
            zero = sum(p.sum() for p in self.mask_head.parameters()) * 0.0
            return {"loss_mask": {"loss_mask": zero}}
        rois = bbox2roi([s.pos_bboxes for s in kept])
        results: dict[str, Any] = self._mask_forward(x, rois)
        targets = self.mask_head.get_targets(kept, gt_masks, self.train_cfg)
        labels = torch.cat([s.pos_gt_labels for s in kept])
        results["loss_mask"] = self.mask_head.loss(results["mask_pred"], targets, labels)
        return results


def with_masks(sampled: Any, masks: Any) -> SimpleNamespace:
    """Those of a photo's sampled objects that have a mask."""
    known = torch.as_tensor(masks.masks.any(axis=(1, 2)), device=sampled.pos_bboxes.device)
    keep = known[sampled.pos_assigned_gt_inds] if len(known) else sampled.pos_assigned_gt_inds.bool()
    return SimpleNamespace(
        pos_bboxes=sampled.pos_bboxes[keep],
        pos_assigned_gt_inds=sampled.pos_assigned_gt_inds[keep],
        pos_gt_labels=sampled.pos_gt_labels[keep],
    )
