"""Average precision of predictions, computed by pycocotools."""

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from app.datasets.coco import CocoData
from app.vision.analyses.objects.result import Instances

# Ranks below any precision: there is no ground truth.
UNKNOWN = -1.0


def score(data: CocoData, predictions: Mapping[int, Instances]) -> dict[str, Any]:
    """COCO's average precision of predictions on checked data.

    Args:
        predictions: by image id; classes that the data does not have are ignored.

    Returns:
        {"photos": n, "box": {"AP", "AP50", "classes": {name: {"AP", "AP50"}}}, "mask": the same, or None if the
        ground truth or the predictions have no masks}; percentages, None where there is no ground truth.
    """
    rows = [row for image_id, instances in predictions.items() for row in rows_of(data, image_id, instances)]
    outlined = _with_masks_only(data)
    with_masks = all(p.masks is not None for p in predictions.values()) and any(len(s.boxes) for s in outlined.samples)
    return {
        "photos": len(predictions),
        "box": _evaluate(data, rows, "bbox"),
        "mask": _evaluate(outlined, rows, "segm") if with_masks else None,
    }


def rank(scores: Mapping[str, Any]) -> float:
    """The number by which the best weights are chosen: box AP of what `score` returned, -1 if it is unknown."""
    precision = scores["box"]["AP"]
    return UNKNOWN if precision is None else float(precision)


def rows_of(data: CocoData, image_id: int, instances: Instances) -> list[dict[str, Any]]:
    """Predictions of an image as pycocotools takes them, without those of classes that the data does not have."""
    ids = dict(zip(data.classes, data.category_ids, strict=True))
    rows = []
    for i, name in enumerate(instances.names):
        if name not in ids:
            continue
        x1, y1, x2, y2 = (float(v) for v in instances.boxes[i])
        row: dict[str, Any] = {"image_id": image_id, "category_id": ids[name], "score": float(instances.scores[i])}
        row["bbox"] = [x1, y1, x2 - x1, y2 - y1]
        if instances.masks is not None and (mask := instances.masks[i]) is not None:
            row["segmentation"] = mask.to_coco()
        rows.append(row)
    return rows


def _with_masks_only(data: CocoData) -> CocoData:
    """The photos in which every instance has a mask: in others a correct prediction would count as false."""
    incomplete = {a["image_id"] for a in data.truth["annotations"] if not a.get("segmentation")}
    return data.only([sample for sample in data.samples if sample.image_id not in incomplete])


def _evaluate(data: CocoData, rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    ids = {sample.image_id for sample in data.samples}
    chosen = [_for_kind(row, kind) for row in rows if row["image_id"] in ids]
    if not any(len(sample.boxes) for sample in data.samples):
        return {"AP": None, "AP50": None, "classes": {}}
    if not chosen:
        return {"AP": 0.0, "AP50": 0.0, "classes": {}}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": data.truth["images"],
            "categories": data.truth["categories"],
            "annotations": data.truth["annotations"],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(chosen), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    names = {c["id"]: c["name"] for c in data.truth["categories"]}
    classes = {
        names[category]: {"AP": _mean(precision[:, :, k]), "AP50": _mean(precision[0, :, k])}
        for k, category in enumerate(evaluation.params.catIds)
    }
    return {"AP": _percent(evaluation.stats[0]), "AP50": _percent(evaluation.stats[1]), "classes": classes}


def _for_kind(row: dict[str, Any], kind: str) -> dict[str, Any]:
    """Masks are scored without boxes: pycocotools would take the area from a box."""
    return {k: v for k, v in row.items() if k != ("bbox" if kind == "segm" else "segmentation")}


def _mean(precision: np.ndarray) -> float | None:
    known = precision[precision > -1]
    return _percent(known.mean()) if known.size else None


def _percent(value: float) -> float | None:
    """A percentage; None for pycocotools' -1, which means that nothing could be counted."""
    return round(float(value) * 100, 2) if value >= 0 else None
