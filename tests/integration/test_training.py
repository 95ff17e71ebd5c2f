"""Fine-tuning from end to end on a tiny set: train, stop, resume, serve, evaluate."""

import io
import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mmcv
import pytest
import torch

from app import create_app
from app.config.settings import ROOT, Settings
from app.queue.services import Services
from app.training.__main__ import main
from app.training.evaluate import main as evaluate
from app.training.judge import Judge
from app.training.loop import Trainer
from app.training.report import read_log
from app.vision.analyses.offer import analyzer
from app.vision.catalogue.zoo import load_zoo
from app.vision.engine.__main__ import main as export
from tests.fixtures.squares import COLOURS, write_squares
from tests.fixtures.trained import write_small
from tests.fixtures.weights import write_checkpoint, write_entry
from tests.fixtures.worker import Worker
from tests.integration.test_training_loop import interrupted
from tests.integration.test_training_model import FULL

# A Mask R-CNN with a quarter of the channels, by the part of its config.
NARROW = {
    "backbone": {"base_channels": 16, "stem_channels": 16},
    "neck": {"in_channels": [64, 128, 256, 512], "out_channels": 64},
    "rpn_head": {"in_channels": 64, "feat_channels": 64},
    "roi_head": {
        "bbox_roi_extractor": {"out_channels": 64},
        "bbox_head": {"in_channels": 64, "fc_out_channels": 128},
        "mask_roi_extractor": {"out_channels": 64},
        "mask_head": {"in_channels": 64, "conv_out_channels": 64},
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_small(tmp_path_factory.mktemp("base") / "small"))


@pytest.mark.slow
def test_a_stopped_training_resumes_and_its_model_is_served_and_evaluated(
    data: Path, base: str, tmp_path: Path, clean_redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trained"
    command = ["--data", str(data), "--out", str(out), "--validation", "0.25", "--evaluations", "1", "--device", "cpu"]
    command += ["--short", "96", "128", "--test", str(data), "--steps", "4", "--base", base]
    with patch.object(Trainer, "_step", interrupted(Trainer._step, at=2)):
        assert main(command) == 130
    assert not (out / "models.toml").exists()
    assert main(command) == 0
    assert "Resuming from step 3 of 4." in capsys.readouterr().out
    steps = [entry["step"] for entry in read_log(out / "log.jsonl") if "loss" in entry]
    assert steps == [1, 2, 3, 4]
    report = (out / "report.html").read_text()
    assert all((out / "report" / f"sheet-{i}.jpg").is_file() and f"report/sheet-{i}.jpg" in report for i in (0, 1))
    assert f"On {data}" in report

    assert evaluate([str(out), str(data)]) == 0
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["photos"] == 8
    assert scores["box"]["AP"] is not None

    assert export([str(out)]) == 0
    answer = served(out, data / "images" / "0.png", tmp_path, clean_redis_url)
    assert answer["state"] == "done"
    model = answer["results"]["objects"]["model"]
    assert model["title"].endswith("fine-tuned")
    assert model["version"].startswith("openvino")
    assert {i["class"] for i in answer["results"]["objects"]["instances"]} <= set(COLOURS)


def served(model: Path, photo: Path, folder: Path, redis_url: str) -> dict[str, Any]:
    """What the program answers to a photo posted to it, with a trained model in its worker as by default."""
    settings = Settings(data_dir=str(folder), redis_url=redis_url, secret_key="a key for the tests", log_level="ERROR")
    services = Services.from_settings(settings)
    services.store.migrate()
    worker = Worker(settings, MODEL=str(model), ENGINE="auto", DEVICE="cpu")
    try:
        worker.wait_for("announced")
        client = create_app(services).test_client()
        form = {"file": (io.BytesIO(photo.read_bytes()), photo.name)}
        run = client.post("/api/v1/runs?wait=60&analyses=objects", data=form).get_json()
        answer: dict[str, Any] = client.get(f"/api/v1/runs/{run['id']}").get_json()
        return answer
    finally:
        worker.stop()


def test_the_full_mask_rcnn_trains_with_the_same_command(data: Path, tmp_path: Path) -> None:
    """Layer by layer the same network, with fewer channels."""
    base, out = tmp_path / "base", tmp_path / "trained"
    base.mkdir()
    config = mmcv.Config.fromfile(str(ROOT / "configs" / FULL))
    config.merge_from_dict({"model": NARROW, "data.test.pipeline.1.img_scale": (160, 96)})
    config.dump(str(base / "r50.py"))
    weights = write_checkpoint(base / "r50.py", base / "r50.pth")
    write_entry(base, "r50")
    command = ["--data", str(data), "--base", str(base), "--out", str(out), "--steps", "2", "--short", "96", "96"]
    assert main([*command, "--validation", "0.25", "--evaluations", "1", "--device", "cpu"]) == 0

    before = torch.load(weights, weights_only=True)["state_dict"]
    after = torch.load(out / "detector.pth", weights_only=True)["state_dict"]
    same = {key for key in before if key in after and torch.equal(before[key].half(), after[key])}
    assert "backbone.conv1.weight" in same
    assert not {"backbone.layer4.0.conv1.weight", "neck.fpn_convs.0.conv.weight"} & same
    detector = analyzer("objects", Settings(model=str(out), engine="mmdet"))
    detector.load("cpu")
    assert detector.card.classes == tuple(COLOURS)


def test_a_loss_that_is_not_a_number_names_the_photos_and_publishes_no_model(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trained"
    command = ["--data", str(data), "--out", str(out), "--steps", "4", "--short", "96", "96", "--device", "cpu"]
    assert main([*command, "--lr", "1e30", "--evaluations", "1"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "not a number" in line]
    assert re.fullmatch(r"The loss is not a number at step \d+, on \d\.png, \d\.png\.", line)
    assert not (out / "models.toml").exists()


def test_a_model_without_a_training_state_is_not_overwritten(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models.toml").write_text("# An earlier training's")
    assert main(["--data", str(data), "--out", str(tmp_path)]) == 1
    assert "holds a model but no last.pth to resume from; choose another --out." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["models.toml"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read as a config"),
        ("model = dict(", "cannot be read as a config"),
        ("1 / 0", "division by zero"),
        ("model = dict(type='MaskRCNN')", "it needs `model` and `data.test.pipeline`"),
    ],
)
def test_a_file_that_is_not_a_config_is_refused_in_a_sentence(
    text: str | None, reason: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.py"
    if text is not None:
        config.write_text(text)
    assert main(["--data", str(data), "--out", str(tmp_path / "out"), "--config", str(config)]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
    assert line.startswith(str(config))
    assert reason in line


def test_a_training_resumes_only_with_unchanged_options(
    data: Path, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, labels = tmp_path / "trained", tmp_path / "labels"
    labels.mkdir()
    (labels / "images").symlink_to(data / "images")
    (labels / "instances.json").write_bytes((data / "instances.json").read_bytes())
    command = ["--data", str(labels), "--base", base, "--out", str(out), "--steps", "1", "--short", "96", "96"]
    command += ["--device", "cpu"]
    assert main(command) == 0
    truth = json.loads((labels / "instances.json").read_text())
    truth["annotations"][0]["category_id"] = 3 - truth["annotations"][0]["category_id"]
    (labels / "instances.json").write_text(json.dumps(truth))
    kept = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert main([*command, "--seed", "7"]) == 1
    assert f"{out} was begun with another --data and --seed, or by" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in kept} == kept


def test_an_interrupted_evaluation_is_repeated(data: Path, base: str, tmp_path: Path) -> None:
    """And a set whose validation photos have no objects still leaves a model."""
    truth = json.loads((data / "instances.json").read_text())
    (tmp_path / "images").symlink_to(data / "images")
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] == 0]
    (tmp_path / "instances.json").write_text(json.dumps(truth))
    out = tmp_path / "trained"
    command = ["--data", str(tmp_path), "--base", base, "--out", str(out), "--steps", "1", "--short", "96", "96"]
    command += ["--device", "cpu"]
    with patch.object(Judge, "__call__", side_effect=MemoryError), pytest.raises(MemoryError):
        main(command)
    assert not (out / "models.toml").exists()
    assert main(command) == 0
    (entry,) = [entry for entry in read_log(out / "log.jsonl") if "scores" in entry]
    assert (entry["step"], entry["scores"]["box"]["AP"]) == (1, None)
    assert (out / "models.toml").is_file()
    assert "no validation photo has objects" in (out / "report.html").read_text()


def test_a_one_stage_detector_learns_boxes(data: Path, tmp_path: Path) -> None:
    name = "retinanet_r18_fpn_1x_coco"
    base, out = tmp_path / "base", tmp_path / "trained"
    base.mkdir()
    config = mmcv.Config.fromfile(str(load_zoo()[name].config))
    config.merge_from_dict({"data.test.pipeline.1.img_scale": (160, 96)})
    config.dump(str(base / "one.py"))
    write_checkpoint(base / "one.py", base / "one.pth")
    write_entry(base, "one")
    command = ["--data", str(data), "--base", str(base), "--out", str(out), "--steps", "1", "--short", "96", "96"]
    assert main([*command, "--device", "cpu"]) == 0
    assert (out / "models.toml").is_file()


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
