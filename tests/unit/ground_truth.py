"""COCO's own annotations as stored results, for tests that measure against them."""

import contextlib
import io
from functools import cache
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from app.vision.analyses.objects.result import Instances
from app.vision.coco import CLASSES
from app.vision.rows import RLE


@cache
def ground_truth(file: Path) -> COCO:
    """The annotation file, read without remarks on standard output."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(file))


def true_instances(coco: COCO, image: int) -> Instances:
    """The annotated objects of an image, crowds aside, as a model without fault would have found them."""
    names = {c["id"]: c["name"] for c in coco.dataset["categories"]}
    size = (coco.imgs[image]["height"], coco.imgs[image]["width"])
    found = coco.loadAnns(coco.getAnnIds(image, iscrowd=False))
    corners = [(x, y, x + w, y + h) for x, y, w, h in (a["bbox"] for a in found)]
    labels = [CLASSES.index(names[a["category_id"]]) for a in found]
    rles = tuple(RLE(size, coco.annToRLE(a)["counts"].decode("ascii")) for a in found)
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    return Instances(size, CLASSES, boxes, np.ones(len(found), np.float32), np.array(labels, np.int64), rles)
