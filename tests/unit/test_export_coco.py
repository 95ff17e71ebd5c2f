"""COCO files: loaded, drawn and scored by pycocotools, which must find nothing missing."""

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from app.vision import masks
from app.vision.analyses.objects.result import Instances
from app.vision.analyses.registry import stored_result
from app.vision.coco import CLASSES, IDS
from app.vision.export import ExportItem, export
from app.vision.results import Analysed
from app.vision.view import View
from tests.unit.ground_truth import ground_truth, true_instances
from tests.unit.results import CARD, everything, instances
from tests.unit.test_export import found_boxes, item, one

FORMS = ["coco", "coco-polygons"]


def loaded(items: Sequence[ExportItem], format: str, folder: Path) -> COCO:
    path = folder / "instances.json"
    path.write_bytes(export(items, format, View(0.05)).read())
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@pytest.mark.parametrize("format", FORMS)
def test_it_loads_with_images_categories_and_annotations(format: str, tmp_path: Path) -> None:
    coco = loaded([item("a.jpg"), item("b.jpg")], format, tmp_path)
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["a.jpg", "b.jpg"]
    assert coco.getCatIds(catNms=["dog"]) == [IDS["dog"]] == [18]
    assert len(coco.getAnnIds(imgIds=[2])) == 4
    first = coco.loadAnns([1])[0]
    assert first["bbox"] == [10, 20, 100, 70]
    assert first["score"] == 0.98
    found = everything()["objects"].result
    assert isinstance(found, Instances)
    assert found.masks
    assert (coco.annToMask(first) == masks.decode(found.masks[0])).all()
    assert first["area"] == masks.area(found.masks[0])
    (face,) = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(catNms=["face"]), imgIds=[1]))
    assert face["num_keypoints"] == 5
    assert face["keypoints"][2::3] == [2] * 5


@given(found_boxes())
def test_boxes_and_masks_come_back_exactly_in_either_form(found: Instances) -> None:
    for format in FORMS:
        annotations = json.loads(export(one(found), format, View(0.05)).read())["annotations"]
        coco = COCO()
        size = {"height": found.size[0], "width": found.size[1]}
        coco.imgs = {1: size}
        for annotation, box, rle in zip(annotations, found.boxes.tolist(), found.masks or (), strict=True):
            x, y, w, h = annotation["bbox"]
            assert [x, y, x + w, y + h] == box
            assert (coco.annToMask(annotation) == masks.decode(rle)).all()


def test_coco_classes_have_their_official_ids_and_others_their_own(tmp_path: Path) -> None:
    own = instances((9, 9), [("helmet", 0.9, (0, 0, 5, 5))], classes=("helmet", "person", "vest"))
    coco = loaded([*one(own), item()], "coco", tmp_path)
    ids = {category["name"]: category["id"] for category in coco.dataset["categories"]}
    assert {name: ids[name] for name in CLASSES} == IDS
    assert (ids["helmet"], ids["vest"], ids["face"]) == (101, 102, 103)
    assert len(set(ids.values())) == len(ids)


@pytest.mark.parametrize("format", FORMS)
def test_ground_truth_through_the_stored_result_and_the_export_scores_full_marks(
    format: str, shared_data: Path, tmp_path: Path
) -> None:
    truth = ground_truth(shared_data / "coco" / "eval" / "instances.json")
    exported = loaded([_stored(truth, image) for image in sorted(truth.imgs)], format, tmp_path)
    images = {image["id"]: int(Path(image["file_name"]).stem) for image in exported.dataset["images"]}
    rows = [annotation | {"image_id": images[annotation["image_id"]]} for annotation in exported.dataset["annotations"]]
    with contextlib.redirect_stdout(io.StringIO()):
        results = truth.loadRes(rows)
        scores = {kind: _score(truth, results, kind) for kind in ("bbox", "segm")}
    assert scores == {"bbox": pytest.approx(1.0), "segm": pytest.approx(1.0)}
    assert sum(annotation["iscrowd"] for annotation in truth.dataset["annotations"]) == 9


def _stored(truth: COCO, image: int) -> ExportItem:
    """An image's annotations as they are after having been stored as JSON and read back."""
    stored = json.dumps(Analysed(CARD, true_instances(truth, image)).to_dict())
    size = truth.imgs[image]
    results = {"objects": stored_result(json.loads(stored))}
    return ExportItem(size["file_name"], bytes, size["width"], size["height"], results)


def _score(truth: COCO, results: COCO, kind: str) -> Any:
    """AP at IoU 0.50 to 0.95 over the categories that occur, of at most 300 found in a photo."""
    evaluation = COCOeval(truth, results, kind)
    evaluation.params.maxDets = [1, 10, 300]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    return float(np.mean(precision[precision > -1]))
