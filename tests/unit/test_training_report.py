"""The report tells of the weights that are kept."""

import json
from pathlib import Path

from app.datasets.coco import read_coco
from app.training.report import write_report
from tests.unit.test_training_data import box, write_folder
from tests.unit.test_training_scores import RING, perfect


def test_scores_by_class_are_of_the_best_evaluation_not_of_the_last(tmp_path: Path) -> None:
    data = read_coco(write_folder(tmp_path / "photos", [box(segmentation=RING)], photos=1))
    lines = []
    for step, precision in ((10, 4.5), (20, 62.5), (30, 31.25), (40, None)):
        scores = {"AP": precision, "AP50": precision, "classes": {"dog": {"AP": precision, "AP50": precision}}}
        lines.append(json.dumps({"step": step, "scores": {"photos": 1, "box": scores, "mask": None}}))
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    page = write_report(tmp_path, "Report", {}, {"Photos": (data, perfect(data))}).read_text()
    assert "Average precision of the best weights, after 20 steps" in page
    assert page.count("62.5") == 4
    assert "31.25" not in page
