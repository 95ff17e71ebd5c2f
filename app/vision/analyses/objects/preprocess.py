"""From a photo to a network's input, as MMDetection's test pipeline does it."""

import math

import cv2
import numpy as np

from app.vision.analyses.objects.spec import Preprocessing


def prepare(rgb: np.ndarray, spec: Preprocessing) -> tuple[np.ndarray, tuple[int, int], np.ndarray]:
    """Resize keeping the aspect, normalise, pad with zeros on the right and below.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (image, shape, scale): (1, 3, h, w) float32; (height, width) before padding; (4,) float32 factors that boxes
        of the photo are multiplied by (mmcv/image/geometric.py: imrescale; mmdet's Resize).
    """
    height, width = rgb.shape[:2]
    factor = min(max(spec.scale) / max(height, width), min(spec.scale) / min(height, width))
    # A sliver of a photo keeps at least a pixel.
    shape = max(1, int(height * float(factor) + 0.5)), max(1, int(width * float(factor) + 0.5))
    small = cv2.resize(rgb, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    padded = [math.ceil(side / spec.divisor) * spec.divisor for side in shape]
    image = np.zeros((1, 3, *padded), np.float32)
    for channel in range(3):
        plane = small[:, :, channel if spec.to_rgb else 2 - channel]
        target = image[0, channel, : shape[0], : shape[1]]
        np.subtract(plane, np.float32(spec.mean[channel]), out=target)
        np.multiply(target, np.float32(1 / spec.std[channel]), out=target)
    scale = np.array([shape[1] / width, shape[0] / height] * 2, np.float32)
    return image, shape, scale
