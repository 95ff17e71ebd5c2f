"""How closely the OpenVINO engine repeats MMDetection on the same checkpoint and photos.

`python -m bench.parity FOLDER --calibrate FOLDER` looks at every photo of a COCO-format folder with MMDetection and
with the engine in each precision: the starter, and Mask R-CNN R50-FPN with seeded random weights, which finds a
hundred objects in every photo. Writes `build/parity.json`.

Average precision is told twice: against the folder's truth, and with MMDetection's own answers as the truth, where 100
is full agreement; the random weights have only the latter.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from app.config.settings import ROOT, Settings
from app.datasets.coco import CocoData, read_coco
from app.training.evaluate import predict
from app.training.scores import score
from app.vision import masks
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.engines import engine_folder
from app.vision.analyses.objects.openvino import make
from app.vision.analyses.objects.pytorch import MMDetector
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.engine.__main__ import export, quantize
from bench.engines import prepare_r50

BOX_PIXELS, SCORE, MASK_IOU = 0.5, 1e-3, 0.99
PRECISIONS = ("f32", "bf16", "int8")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.parity", description=__doc__)
    parser.add_argument("data", type=Path, help="COCO-format folder")
    parser.add_argument("--calibrate", type=Path, default=ROOT / "test_images", help="photos to calibrate int8 on")
    parser.add_argument("--every", type=int, default=1, help="look at every n-th photo only")
    parser.add_argument("--models", nargs="*", default=["starter", "r50"], choices=["starter", "r50"])
    options = parser.parse_args(arguments)
    data, path = read_coco(options.data, skip_bad=True), ROOT / "build" / "parity.json"
    data = data.only(list(data.samples[:: options.every]))
    report = json.loads(path.read_text()) if path.is_file() else {}
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            prepare = prepare_r50 if name == "r50" else _prepare_starter
            model = prepare(Path(folder), options.calibrate)
            report[name] = measure(model, Path(folder), data, with_truth=name != "r50")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _prepare_starter(folder: Path, photos: Path) -> Model:
    model = load_catalogue()["starter"]
    (folder / model.file).symlink_to(ROOT / "checkpoints" / model.file)
    export(model, folder)
    quantize(model, folder, photos)
    return model


def measure(model: Model, checkpoints: Path, data: CocoData, *, with_truth: bool) -> dict[str, Any]:
    """By precision: what `compare` says, and average precision of boxes and masks."""
    found = _predictions(MMDetector(model, checkpoints / model.file), data)
    own = _as_truth(data, found)
    rows: dict[str, Any] = {"photos": len(found)}
    if with_truth:
        rows["MMDetection"] = {"AP": _precision(score(data, found))}
    for precision in PRECISIONS:
        engine = make(model, engine_folder(model, checkpoints), Settings(precision=precision))
        answers = _predictions(engine, data)
        rows[precision] = compare((found[image], answers[image]) for image in found)
        rows[precision]["agreement_AP"] = _precision(score(own, answers))
        if with_truth:
            rows[precision]["AP"] = _precision(score(data, answers))
        print(f"{model.name} {precision}: {rows[precision]}", flush=True)
    return rows


def _predictions(analyzer: Analyzer, data: CocoData) -> dict[int, Instances]:
    analyzer.load("cpu")
    return predict(analyzer, data)


def _precision(scores: Mapping[str, Any]) -> dict[str, float]:
    return {kind: scores[kind]["AP"] for kind in ("box", "mask")}


def _as_truth(data: CocoData, found: Mapping[int, Instances]) -> CocoData:
    """The same photos with one detector's answers in the place of the truth."""
    ids = dict(zip(data.classes, data.category_ids, strict=True))
    annotations: list[dict[str, Any]] = []
    for image, instances in found.items():
        assert instances.masks is not None
        for name, box, mask in zip(instances.names, instances.boxes, instances.masks, strict=True):
            x1, y1, x2, y2 = (float(v) for v in box)
            annotation = {"id": len(annotations) + 1, "image_id": image, "category_id": ids[name], "iscrowd": 0}
            geometry = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
            annotations.append({**annotation, **geometry, "segmentation": mask.to_coco()})
    return replace(data, truth={**data.truth, "annotations": annotations})


def compare(pairs: Iterable[tuple[Instances, Instances]]) -> dict[str, Any]:
    """Match every instance of the reference with the engine's nearest one of its class.

    Args:
        pairs: (reference, engine) of each photo.

    Returns:
        instances; matched: share with boxes within half a pixel and scores within a thousandth; masks_matched: share
        of those with mask IoU of at least 0.99; mask_iou: the least and the mean over the matched; box_error,
        score_error: 99th percentiles over all.
    """
    rows = [row for reference, engine in pairs for row in _match(reference, engine)]
    box, scores, iou = (np.array(column, float) for column in zip(*rows, strict=True))
    matched = (box <= BOX_PIXELS) & (scores <= SCORE)
    known = iou[matched & ~np.isnan(iou)]
    return {
        "instances": len(rows),
        "matched": round(float(matched.mean()), 5),
        "masks_matched": round(float((known >= MASK_IOU).mean()), 5) if len(known) else None,
        "mask_iou_min": round(float(known.min()), 4) if len(known) else None,
        "mask_iou_mean": round(float(known.mean()), 5) if len(known) else None,
        "box_error_p99": round(float(np.percentile(np.minimum(box, 1e6), 99)), 4),
        "score_error_p99": round(float(np.percentile(np.minimum(scores, 1.0), 99)), 6),
    }


def _match(reference: Instances, engine: Instances) -> list[tuple[float, float, float]]:
    """(box error in pixels, score error, mask IoU) of every reference instance; infinite where the class is absent."""
    rows = []
    for i in range(len(reference)):
        same = np.flatnonzero(engine.labels == reference.labels[i])
        if not len(same):
            rows.append((np.inf, np.inf, np.nan))
            continue
        errors = np.abs(engine.boxes[same] - reference.boxes[i]).max(axis=1)
        j = int(same[np.argmin(errors)])
        score = abs(float(engine.scores[j] - reference.scores[i]))
        rows.append((float(errors.min()), score, _iou(reference, i, engine, j)))
    return rows


def _iou(a: Instances, i: int, b: Instances, j: int) -> float:
    if a.masks is None or b.masks is None:
        return float("nan")
    one, two = masks.decode(a.masks[i]).astype(bool), masks.decode(b.masks[j]).astype(bool)
    union = (one | two).sum()
    return float((one & two).sum() / union) if union else 1.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
