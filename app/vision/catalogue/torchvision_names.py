"""torchvision's Mask R-CNN weights under MMDetection's names, without PyTorch.

torchvision 0.27 (models/detection/mask_rcnn.py) and MMDetection 2.28 compute the same network. They differ in the names
of its layers, and in its classes: torchvision has an output for each of COCO's 91 ids, the background first, while
MMDetection has the 80 classes that are used, and the background last. The eleven unused outputs are dropped; no photo
was ever labelled with them, so that trained weights give them next to no probability.
"""

import re
from collections.abc import Mapping

import numpy as np

from app.vision import coco

# Patterns of torchvision's names, of the current modules and of those from before torchvision 0.13, in which the first
# weights were published, and what MMDetection calls the same.
NAMES = (
    (r"backbone\.body\.", r"backbone."),
    (r"backbone\.fpn\.inner_blocks\.(\d)\.(?:0\.)?(weight|bias)", r"neck.lateral_convs.\1.conv.\2"),
    (r"backbone\.fpn\.inner_blocks\.(\d)\.1\.", r"neck.lateral_convs.\1.bn."),
    (r"backbone\.fpn\.layer_blocks\.(\d)\.(?:0\.)?(weight|bias)", r"neck.fpn_convs.\1.conv.\2"),
    (r"backbone\.fpn\.layer_blocks\.(\d)\.1\.", r"neck.fpn_convs.\1.bn."),
    (r"rpn\.head\.conv\.(weight|bias)", r"rpn_head.rpn_conv.0.conv.\1"),
    (r"rpn\.head\.conv\.(\d)\.0\.", r"rpn_head.rpn_conv.\1.conv."),
    (r"rpn\.head\.cls_logits\.", r"rpn_head.rpn_cls."),
    (r"rpn\.head\.bbox_pred\.", r"rpn_head.rpn_reg."),
    (r"roi_heads\.box_head\.fc6\.", r"roi_head.bbox_head.shared_fcs.0."),
    (r"roi_heads\.box_head\.fc7\.", r"roi_head.bbox_head.shared_fcs.1."),
    (r"roi_heads\.box_head\.(\d)\.0\.", r"roi_head.bbox_head.shared_convs.\1.conv."),
    (r"roi_heads\.box_head\.(\d)\.1\.", r"roi_head.bbox_head.shared_convs.\1.bn."),
    (r"roi_heads\.box_head\.5\.", r"roi_head.bbox_head.shared_fcs.0."),
    (r"roi_heads\.box_predictor\.cls_score\.", r"roi_head.bbox_head.fc_cls."),
    (r"roi_heads\.box_predictor\.bbox_pred\.", r"roi_head.bbox_head.fc_reg."),
    (r"roi_heads\.mask_head\.(\d)\.0\.", r"roi_head.mask_head.convs.\1.conv."),
    (r"roi_heads\.mask_head\.(\d)\.1\.", r"roi_head.mask_head.convs.\1.bn."),
    (r"roi_heads\.mask_head\.mask_fcn1\.", r"roi_head.mask_head.convs.0.conv."),
    (r"roi_heads\.mask_head\.mask_fcn2\.", r"roi_head.mask_head.convs.1.conv."),
    (r"roi_heads\.mask_head\.mask_fcn3\.", r"roi_head.mask_head.convs.2.conv."),
    (r"roi_heads\.mask_head\.mask_fcn4\.", r"roi_head.mask_head.convs.3.conv."),
    (r"roi_heads\.mask_predictor\.conv5_mask\.", r"roi_head.mask_head.upsample."),
    (r"roi_heads\.mask_predictor\.mask_fcn_logits\.", r"roi_head.mask_head.conv_logits."),
)
# Layers with outputs by class: which of torchvision's 91 classes MMDetection has, in its order.
TORCHVISION_CLASSES, BACKGROUND = 91, 0
OBJECTS = tuple(coco.IDS[name] for name in coco.CLASSES)
BY_CLASS = {
    "roi_head.bbox_head.fc_cls": (*OBJECTS, BACKGROUND),
    "roi_head.bbox_head.fc_reg": OBJECTS,
    "roi_head.mask_head.conv_logits": OBJECTS,
}


def to_mmdet(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state of `maskrcnn_resnet50_fpn` or `maskrcnn_resnet50_fpn_v2` for MMDetection's network.

    Raises ValueError where it is of another network or has other classes; the message completes "The file ...".
    """
    result = {}
    for name, values in state.items():
        new = _renamed(name)
        chosen = BY_CLASS.get(new.rpartition(".")[0])
        result[new] = values if chosen is None else _of_classes(values, chosen)
    if "rpn_head.rpn_conv.1.conv.weight" not in result:  # MMDetection counts convolutions only where there are several.
        result = {name.replace("rpn_conv.0.conv.", "rpn_conv."): values for name, values in result.items()}
    return result


def _renamed(name: str) -> str:
    for pattern, replacement in NAMES:
        new, found = re.subn(rf"^{pattern}", replacement, name)
        if found:
            return new
    raise ValueError(f"has {name}, which is in none of torchvision's Mask R-CNN models")


def _of_classes(values: np.ndarray, chosen: tuple[int, ...]) -> np.ndarray:
    """The chosen classes' rows of a layer's weights or biases; a layer may have several rows a class."""
    if len(values) % TORCHVISION_CLASSES:
        raise ValueError(f"has other classes than the {TORCHVISION_CLASSES} of COCO's ids")
    by_class = values.reshape(TORCHVISION_CLASSES, -1, *values.shape[1:])
    return by_class[list(chosen)].reshape(-1, *values.shape[1:])
