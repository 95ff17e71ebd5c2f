"""Fine-tuning from end to end on a tiny set: train, stop, resume, serve, evaluate."""

import json
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import mmcv
import numpy as np
import pytest
import torch
from mmdet.models import build_detector
from PIL import Image, ImageDraw

from app.settings import Settings
from app.training.__main__ import main
from app.training.evaluate import main as evaluate
from app.training.judge import Judge
from app.training.model import TrainingError, build, training_config, use_channels_last
from app.training.report import read_log
from app.vision.registry import analyzer
from app.vision.results import Instances
from app.vision.zoo import load_zoo
from tests.conftest import ROOT
from tests.fixtures.weights import write_checkpoint, write_entry

STARTER = "mask_rcnn_efficientnet_lite0_fpn_coco"
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
    command += ["--short", "96", "128", "--test", str(data)]
    assert main([*command, "--steps", "2"]) == 0
    assert main([*command, "--steps", "4"]) == 0
    assert "Going on from step 2 of 4." in capsys.readouterr().out
    steps = [entry["step"] for entry in read_log(out / "log.jsonl") if "loss" in entry]
    assert steps == [1, 2, 3, 4]
    report = (out / "report.html").read_text()
    assert all((out / "report" / f"sheet-{i}.jpg").is_file() and f"report/sheet-{i}.jpg" in report for i in (0, 1))
    assert f"On {data}" in report

    detector = analyzer("objects", Settings(model=str(out), engine="mmdet"))
    detector.load("cpu")
    assert detector.card.classes == tuple(COLOURS)
    result = detector.analyse(np.array(Image.open(data / "images" / "0.png"))).result
    assert isinstance(result, Instances)
    assert evaluate([str(out), str(data)]) == 0
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["photos"] == 8
    assert scores["box"]["AP"] is not None


def test_the_full_mask_rcnn_learns_by_the_same_command(data: Path, tmp_path: Path) -> None:
    base, out = tmp_path / "base", tmp_path / "trained"
    base.mkdir()
    name = "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco.py"
    config = (ROOT / "configs" / name).read_text()
    (base / "r50.py").write_text(config.replace("(1333, 800)", "(160, 96)"))
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


def test_a_backbone_with_channels_last_gives_the_same_contiguous_features() -> None:
    config = mmcv.Config.fromfile(str(ROOT / "configs" / f"{STARTER}.py"))
    model = build_detector(config.model).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        before = model.backbone(image)
        use_channels_last(model)
        after = model.backbone(image)
    assert all(map(torch.Tensor.is_contiguous, after))
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other)


def starter_config(classes: Sequence[str]) -> mmcv.Config:
    return training_config(mmcv.Config.fromfile(str(ROOT / "configs" / f"{STARTER}.py")), classes)


@pytest.mark.parametrize(("base", "classes"), [(["apple"], ["pear"]), (["cat", "dog"], ["dog", "cat"])])
def test_classes_of_another_name_or_order_leave_the_network_as_it_is(base: list[str], classes: list[str]) -> None:
    torch.manual_seed(0)
    state = build_detector(starter_config(base).model).state_dict()
    model, fresh = build(starter_config(classes), state, base, classes)
    after = model.state_dict()
    assert not fresh
    changed = {key for key in state if not torch.equal(state[key], after[key])}
    assert changed == {"roi_head.bbox_head.fc_cls.weight", "roi_head.bbox_head.fc_cls.bias"}
    rows = after["roi_head.bbox_head.fc_cls.weight"]
    for index, name in enumerate(classes):
        if name in base:
            assert torch.equal(rows[index], state["roi_head.bbox_head.fc_cls.weight"][base.index(name)])


def test_layers_that_do_not_fit_another_config_begin_at_random_and_are_named() -> None:
    state = build_detector(starter_config(["cat"]).model).state_dict()
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    config = starter_config(["cat"])
    config.model.rpn_head.anchor_generator.ratios = [1.0]
    model, fresh = build(config, state, ["cat"], ["cat"])
    assert fresh == ["rpn_head.rpn_cls", "rpn_head.rpn_reg"]
    after = model.state_dict()
    same = {key for key in state if after[key].shape == state[key].shape and torch.equal(after[key], state[key])}
    assert {key.rpartition(".")[0] for key in state.keys() - same} == set(fresh)


def test_weights_of_another_backbone_are_refused() -> None:
    config = starter_config(["cat"])
    state = build_detector(config.model).state_dict()
    del state["backbone.blocks.15._project_conv.weight"]
    with pytest.raises(TrainingError, match="The weights of the base are of another backbone"):
        build(config, state, ["cat"], ["cat"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read as a config"),
        ("model = dict(", "cannot be read as a config"),
        ("model = dict(type='MaskRCNN')", "it needs `model` and `data.test`"),
    ],
)
def test_a_file_that_is_no_config_is_refused_in_a_sentence(
    text: str | None, reason: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.py"
    if text is not None:
        config.write_text(text)
    assert main(["--data", str(data), "--out", str(tmp_path / "out"), "--config", str(config)]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
    assert line.startswith(str(config))
    assert reason in line


def test_a_detector_of_another_kind_is_refused_in_a_sentence() -> None:
    config = mmcv.Config({"model": {"type": "CascadeRCNN", "roi_head": {"type": "CascadeRoIHead"}}})
    with pytest.raises(TrainingError, match="Detectors with a CascadeRoIHead cannot be fine-tuned"):
        training_config(config, ["cat"])


def test_a_training_goes_on_only_with_what_it_was_begun_with(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, labels = tmp_path / "trained", tmp_path / "labels"
    labels.mkdir()
    (labels / "images").symlink_to(data / "images")
    (labels / "instances.json").write_bytes((data / "instances.json").read_bytes())
    command = ["--data", str(labels), "--out", str(out), "--steps", "1", "--short", "96", "96", "--device", "cpu"]
    assert main(command) == 0
    truth = json.loads((labels / "instances.json").read_text())
    truth["annotations"][0]["category_id"] = 3 - truth["annotations"][0]["category_id"]
    (labels / "instances.json").write_text(json.dumps(truth))
    kept = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    assert main([*command, "--seed", "7"]) == 1
    assert f"{out} was begun with another --data and --seed; choose another --out." in capsys.readouterr().err
    assert {path: path.read_bytes() for path in kept} == kept


def test_an_evaluation_that_was_cut_off_is_made_up_for(data: Path, tmp_path: Path) -> None:
    """And a set whose validation photos have no objects still leaves a model."""
    truth = json.loads((data / "instances.json").read_text())
    (tmp_path / "images").symlink_to(data / "images")
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] == 0]
    (tmp_path / "instances.json").write_text(json.dumps(truth))
    out = tmp_path / "trained"
    command = ["--data", str(tmp_path), "--out", str(out), "--steps", "1", "--short", "96", "96", "--device", "cpu"]
    with patch.object(Judge, "__call__", side_effect=MemoryError), pytest.raises(MemoryError):
        main(command)
    assert not (out / "models.toml").exists()
    assert main(command) == 0
    (entry,) = [entry for entry in read_log(out / "log.jsonl") if "scores" in entry]
    assert (entry["step"], entry["scores"]["box"]["AP"]) == (1, None)
    assert (out / "models.toml").is_file()
    assert "no validation photo has objects" in (out / "report.html").read_text()


def test_a_detector_of_one_stage_learns_boxes(data: Path, tmp_path: Path) -> None:
    name = "retinanet_r18_fpn_1x_coco"
    base, out = tmp_path / "base", tmp_path / "trained"
    base.mkdir()
    whole = mmcv.Config.fromfile(str(load_zoo()[name].config))
    step = next(step for step in whole.data.test.pipeline if step.type == "MultiScaleFlipAug")
    step.img_scale = (160, 96)
    whole.dump(str(base / "one.py"))
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
