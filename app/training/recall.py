"""How many of the labelled objects a model finds at a threshold, computed by pycocotools."""

import contextlib
import io
from collections import Counter
from collections.abc import Mapping

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from app.datasets.coco import CocoData
from app.training.scores import rows_of
from app.vision.analyses.objects.result import Instances

MIN_IOU = 0.5


def recall(data: CocoData, predictions: Mapping[int, Instances], threshold: float) -> dict[str, tuple[int, int]]:
    """By class, how many objects are found, and how many are labelled; the most frequent classes first.

    An object is found where a box of its class with at least that score overlaps its own by an IoU of 0.5.

    Args:
        predictions: by image id; classes that the data does not have are ignored.
    """
    truth = COCO()
    truth.dataset = {"info": {}, **data.truth}
    rows = [row for id, instances in predictions.items() for row in rows_of(data, id, instances)]
    sure = [row for row in rows if row["score"] >= threshold]
    names = {category["id"]: category["name"] for category in data.truth["categories"]}
    labelled = Counter(names[a["category_id"]] for a in data.truth["annotations"] if not a.get("iscrowd"))
    found: Counter[str] = Counter()
    if sure and labelled:
        with contextlib.redirect_stdout(io.StringIO()):
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes(sure), "bbox")
            evaluation.params.iouThrs = [MIN_IOU]
            evaluation.evaluate()
            evaluation.accumulate()
        shares = evaluation.eval["recall"][0, :, 0, -1]
        for id, share in zip(evaluation.params.catIds, shares, strict=True):
            found[names[id]] = round(max(share, 0) * labelled[names[id]])
    return {name: (found[name], n) for name, n in labelled.most_common()}
