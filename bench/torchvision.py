"""What torchvision does to a photo and to a mask otherwise than this program, which does it as MMDetection does.

`python -m bench.torchvision FOLDER` takes a folder in COCO's format and prints two lines of JSON. The networks between
the two steps answer alike (`tests/integration/test_torchvision_parity.py`).

Preparing: torchvision resizes floating-point values and rounds the sides of the photo down; MMDetection resizes whole
values and rounds sides to the nearest pixel. Pasting: torchvision rounds a box to whole pixels and resizes the mask to
them; MMDetection samples the mask at the centre of each pixel.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from app.datasets.coco import CocoData, read_coco
from app.intake import decode
from app.vision.analyses.objects.blueprint import Blueprint
from app.vision.analyses.objects.preprocess import prepare
from app.vision.analyses.objects.spec import Preprocessing
from app.vision.catalogue.models import load_catalogue
from app.vision.paste import paste

MODEL = "mask_rcnn_r50_fpn"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.torchvision", description=__doc__)
    parser.add_argument("data", type=Path, help="COCO-format folder")
    data = read_coco(parser.parse_args(arguments).data, skip_bad=True)
    config = load_catalogue()[MODEL].config
    blueprint = Blueprint.read(config) if config else None
    assert blueprint is not None
    print(json.dumps({"preparing": compare_inputs(data, blueprint.spec.preprocessing)}), flush=True)
    print(json.dumps({"pasting": compare_masks(data)}))
    return 0


def compare_inputs(data: CocoData, spec: Preprocessing) -> dict[str, float]:
    """How the networks' inputs differ.

    other_size: share of the photos with another height or width, by a pixel at most; mean and p99: of the absolute
    differences of the others' values, of 255.
    """
    transform = GeneralizedRCNNTransform(min(spec.scale), max(spec.scale), [0.0] * 3, [1.0] * 3)
    std, mean = (np.array(values, np.float32).reshape(3, 1, 1) for values in (spec.std, spec.mean))
    differences, other = [], 0
    for sample in data.samples:
        rgb = decode(sample.path.read_bytes())
        batch, _ = transform([torch.from_numpy(rgb).permute(2, 0, 1).float()])
        ours, shape, _ = prepare(rgb, spec)
        height, width = batch.image_sizes[0]
        assert max(abs(height - shape[0]), abs(width - shape[1])) <= 1
        other += (height, width) != shape
        if (height, width) == shape:
            values = ours[0, :, :height, :width] * std + mean
            differences.append(np.abs(values - batch.tensors[0, :, :height, :width].numpy()).ravel()[::97])
    values = np.concatenate(differences)
    return {
        "photos": len(data.samples),
        "other_size": round(other / len(data.samples), 3),
        "mean": round(float(values.mean()), 3),
        "p99": round(float(np.percentile(values, 99)), 2),
    }


def compare_masks(data: CocoData) -> dict[str, float]:
    """How masks differ that are pasted from the same probabilities into the same boxes, those of the labelled objects.

    iou: mean and 1st percentile of the intersection over union, and its mean for boxes of at least 96 x 96 pixels.
    """
    rng = np.random.default_rng(0)
    rows = []
    for box, (height, width) in _boxes(data):
        probabilities = cv2.GaussianBlur(rng.normal(0.6, 2.0, (28, 28)).astype(np.float32), (0, 0), 4) * 3 + 0.3
        theirs = paste_masks_in_image(
            torch.from_numpy(probabilities)[None, None], torch.from_numpy(box)[None], (height, width)
        )[0, 0].numpy()
        window, x, y = paste(probabilities, box, (height, width), 0.5)
        ours = np.zeros((height, width), bool)
        ours[y : y + window.shape[0], x : x + window.shape[1]] = window
        union = np.count_nonzero(ours | (theirs > 0.5))
        if union:
            rows.append((np.count_nonzero(ours & (theirs > 0.5)) / union, np.prod(box[2:] - box[:2])))
    overlap, areas = np.array(rows).T
    return {
        "masks": len(rows),
        "iou_mean": round(float(overlap.mean()), 4),
        "iou_p1": round(float(np.percentile(overlap, 1)), 4),
        "iou_mean_large": round(float(overlap[areas >= 96**2].mean()), 4),
    }


def _boxes(data: CocoData) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """The boxes of the labelled objects, moved by fractions of a pixel, as (4,) float32, and each photo's size."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in data.truth["images"]}
    for annotation in data.truth["annotations"]:
        x, y, width, height = annotation["bbox"]
        yield np.array((x, y, x + width, y + height), np.float32) + np.float32(0.3), sizes[annotation["image_id"]]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
