"""Average precision of answers that are exactly the truth is 100, however the truth was written down."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.datasets.coco import CocoData, read_coco
from app.training.evaluate import predict
from app.training.recall import recall
from app.training.scores import score
from app.vision import masks
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.objects.result import Instances
from app.vision.results import Analysed, ModelCard
from app.vision.rows import RLE
from tests.unit.test_training_data import box, write_folder

RING = [[4, 4, 24, 4, 24, 24, 4, 24]]


def perfect(data: CocoData) -> dict[int, Instances]:
    """Every object found, with its own box and mask."""
    found = {}
    for sample in data.samples:
        size, bitmap = (sample.height, sample.width), np.zeros((sample.height, sample.width), np.uint8)
        bitmap[4:24, 4:24] = 1
        outlines = [o if isinstance(o, RLE) else masks.from_bitmap(bitmap) for o in sample.outlines]
        scores = np.ones(len(sample.boxes), np.float32)
        found[sample.image_id] = Instances(size, data.classes, sample.boxes, scores, sample.labels, tuple(outlines))
    return found


@pytest.mark.parametrize(
    "annotations",
    [
        [box(0, segmentation=RING), box(1, image_id=2, segmentation=RING)],
        [{key: value for key, value in box(segmentation=RING).items() if key != "id"}],
        [box(segmentation=RING, area=None, iscrowd=None)],
        [box(segmentation=masks.from_bitmap(np.ones((48, 64))).to_coco() | {"counts": [0, 48 * 64]})],
        [box(segmentation=RING), box(2, bbox=[]), box(3, bbox=(60, 4, 20, 20)), box(4, segmentation=[[1, 2]])],
        [box(segmentation=RING), box(2, bbox=(30, 20, 9, 9), iscrowd=1)],
        [box(segmentation=RING, area=-400), box(2, image_id=2, segmentation=RING, area=1e12)],
    ],
    ids=["ids from 0", "no ids", "empty fields", "a mask of plain counts", "bad ones left out", "a crowd", "odd areas"],
)
def test_the_ground_truth_itself_scores_100(tmp_path: Path, annotations: list[dict[str, Any]]) -> None:
    data = read_coco(write_folder(tmp_path, annotations), skip_bad=True)
    scores = score(data, perfect(data))
    assert scores["box"]["AP"] == 100
    assert scores["mask"] is None or scores["mask"]["AP"] == 100


def test_photos_without_sizes_in_the_file_are_scored(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "1.png"}]
    data = read_coco(write_folder(tmp_path, [box(segmentation=RING)], images=images))
    assert score(data, perfect(data))["mask"]["AP"] == 100


def test_recall_counts_what_is_found_at_a_threshold(tmp_path: Path) -> None:
    annotations = [
        box(0, segmentation=RING),
        box(1, image_id=2, segmentation=RING),
        box(2, image_id=2, bbox=(60, 4, 4, 20)),
        box(3, image_id=2, bbox=(30, 20, 9, 9), iscrowd=1),
    ]
    data = read_coco(write_folder(tmp_path, annotations))
    found = perfect(data)
    first = found[2]
    found[2] = replace(first, scores=np.array([0.4, *first.scores[1:]], np.float32))
    (name,) = {data.classes[label] for sample in data.samples for label in sample.labels}
    assert recall(data, found, 0.4) == {name: (3, 3)}
    assert recall(data, found, 0.5) == {name: (2, 3)}
    assert recall(data, {}, 0.5) == {name: (0, 3)}


def test_there_is_no_precision_without_objects(tmp_path: Path) -> None:
    data = read_coco(write_folder(tmp_path, [box()]))
    empty = data.only([sample for sample in data.samples if not len(sample.boxes)])
    assert score(empty, perfect(empty))["box"] == {"AP": None, "AP50": None, "classes": {}}


class Blind(Analyzer):
    """A detector of dogs that finds none."""

    card = ModelCard("objects", "blind", "Blind", "1", "", ("dog", "cat"))

    def analyse(self, rgb: np.ndarray) -> Analysed:
        nothing = np.zeros(0, np.int64)
        return Analysed(self.card, Instances(rgb.shape[:2], (), nothing.reshape(0, 4), nothing, nothing, ()), {})


def test_classes_that_a_model_does_not_have_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of those that the photos have."""
    categories = [{"id": 1, "name": "dog"}, {"id": 2, "name": "Dog"}, {"id": 3, "name": "cup"}]
    annotations = [box(category_id=1), box(2, category_id=2)]
    predict(Blind(), read_coco(write_folder(tmp_path, annotations, categories=categories)))
    printed = capsys.readouterr()
    assert "The model cannot find these classes: Dog.\n" in printed.err
    assert not printed.out
