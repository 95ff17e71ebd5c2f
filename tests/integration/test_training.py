"""Fine-tuning from end to end on a tiny set: train, stop, resume, serve, evaluate."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from app.settings import Settings
from app.training.__main__ import main
from app.training.evaluate import main as evaluate
from app.training.report import read_log
from app.vision.registry import analyzer
from app.vision.results import Instances

COLOURS = {"red square": (200, 30, 30), "blue square": (30, 30, 200)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight small photos of coloured squares; every other one has outlines, the others boxes only."""
    folder, rng = tmp_path_factory.mktemp("squares"), np.random.default_rng(0)
    (folder / "images").mkdir()
    images, annotations = [], []
    for i in range(8):
        photo = Image.fromarray(rng.integers(90, 160, (96, 128, 3), np.uint8))
        for category, colour in enumerate(COLOURS.values(), 1):
            x, y = int(rng.integers(0, 80)), int(rng.integers(0, 50))
            ImageDraw.Draw(photo).rectangle((x, y, x + 40, y + 40), fill=colour)
            annotation = {"id": len(annotations) + 1, "image_id": i, "category_id": category, "bbox": [x, y, 40, 40]}
            annotation |= {"area": 1600, "iscrowd": 0}
            if i % 2:
                annotation["segmentation"] = [[x, y, x + 40, y, x + 40, y + 40, x, y + 40]]
            annotations.append(annotation)
        photo.save(folder / "images" / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": 128, "height": 96})
    categories = [{"id": i, "name": name} for i, name in enumerate(COLOURS, 1)]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(truth))
    return folder


def test_a_training_resumes_and_its_model_serves_and_is_measured(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trained"
    command = ["--data", str(data), "--out", str(out), "--validation", "0.25", "--evaluations", "1", "--device", "cpu"]
    command += ["--short", "96", "128"]
    assert main([*command, "--steps", "2"]) == 0
    assert main([*command, "--steps", "4"]) == 0
    assert "Going on from step 2 of 4." in capsys.readouterr().out
    steps = [entry["step"] for entry in read_log(out / "log.jsonl") if "loss" in entry]
    assert steps == [1, 2, 3, 4]
    assert (out / "report.html").is_file()

    detector = analyzer("objects", Settings(model=str(out), engine="mmdet"))
    detector.load("cpu")
    assert detector.card.classes == tuple(COLOURS)
    result = detector.analyse(np.array(Image.open(data / "images" / "0.png"))).result
    assert isinstance(result, Instances)
    assert evaluate([str(out), str(data)]) == 0
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["photos"] == 8
    assert scores["box"]["AP"] is not None


def test_bad_data_is_named_and_nothing_is_trained(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = json.loads((data / "instances.json").read_text())
    truth["annotations"][0]["category_id"] = 9
    (tmp_path / "images").symlink_to(data / "images")
    (tmp_path / "instances.json").write_text(json.dumps(truth))
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "0.png: annotation 1 has the unknown category 9" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
