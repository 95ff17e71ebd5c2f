"""Fine-tuning from end to end on a tiny set: train, stop, resume, serve, evaluate."""

import argparse
import copy
import io
import json
import os
import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import mmcv
import numpy as np
import pytest
import torch
import torch.distributed as dist
from mmdet.core import build_assigner
from mmdet.models import build_backbone, build_detector
from PIL import Image, ImageDraw
from torch import nn

from app import create_app
from app.services import Services
from app.settings import ROOT, Settings
from app.training.__main__ import _plan, main, parse
from app.training.config import normalisation, read_config, short_sides, training_config
from app.training.data import read_coco
from app.training.dataset import Augmentation, Normalisation, TrainingSet
from app.training.errors import TrainingError
from app.training.evaluate import main as evaluate
from app.training.judge import Judge
from app.training.loop import Plan, Trainer
from app.training.model import build
from app.training.precision import use_bf16, use_channels_last
from app.training.publish import publish, serving_config
from app.training.report import read_log
from app.vision.catalogue import load_catalogue
from app.vision.engine.__main__ import main as export
from app.vision.registry import analyzer
from app.vision.zoo import load_zoo
from tests.conftest import free_port
from tests.fixtures.weights import write_checkpoint, write_entry
from tests.fixtures.worker import Worker

FULL = "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco.py"
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


def test_a_training_that_was_stopped_goes_on_and_its_model_serves_and_is_measured(
    data: Path, tmp_path: Path, clean_redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trained"
    command = ["--data", str(data), "--out", str(out), "--validation", "0.25", "--evaluations", "1", "--device", "cpu"]
    command += ["--short", "96", "128", "--test", str(data), "--steps", "8"]
    with patch.object(Trainer, "_step", interrupted(Trainer._step, at=2)):
        assert main(command) == 130
    assert not (out / "models.toml").exists()
    assert main(command) == 0
    assert "Going on from step 3 of 8." in capsys.readouterr().out
    steps = [entry["step"] for entry in read_log(out / "log.jsonl") if "loss" in entry]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]
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


def interrupted(step: Callable[..., Any], at: int, number: int = signal.SIGINT) -> Callable[..., Any]:
    """A trainer's step during which a signal comes."""

    def made(self: Trainer, batch: Any) -> Any:
        if self.step == at:
            signal.raise_signal(number)
        return step(self, batch)

    return made


def served(model: Path, photo: Path, folder: Path, redis_url: str) -> dict[str, Any]:
    """What the program answers to a photo posted to it, with a trained model in its worker as by default."""
    settings = Settings(data_dir=str(folder), redis_url=redis_url, secret_key="a key for tests", log_level="ERROR")
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


def test_the_full_mask_rcnn_learns_by_the_same_command(data: Path, tmp_path: Path) -> None:
    base, out = tmp_path / "base", tmp_path / "trained"
    base.mkdir()
    config = (ROOT / "configs" / FULL).read_text()
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


def small_resnet(**more: Any) -> dict[str, Any]:
    own = {"num_stages": 2, "strides": (1, 2), "dilations": (1, 1), "out_indices": (0, 1), "stem_channels": 8}
    return {"type": "ResNet", "depth": 50, "base_channels": 8, **own, **more}


def deformable(kind: str) -> dict[str, Any]:
    return small_resnet(dcn={"type": kind, "deform_groups": 1}, stage_with_dcn=(False, True))


BACKBONES = {
    "starter": mmcv.Config.fromfile(str(ROOT / "configs" / f"{STARTER}.py")).model.backbone,
    "dconv": deformable("DCN"),
    "mdconv": deformable("DCNv2"),
    "gn_ws": small_resnet(conv_cfg={"type": "ConvWS"}, norm_cfg={"type": "GN", "num_groups": 4}),
}


@pytest.mark.parametrize("config", BACKBONES.values(), ids=BACKBONES.keys())
def test_a_backbone_computed_faster_gives_the_same_contiguous_features(config: dict[str, Any]) -> None:
    """And in bfloat16 features of the same shape, also where a layer of mmcv's knows neither format."""
    model = nn.Module()
    model.backbone = build_backbone(config)
    model.eval()
    for name, parameter in model.named_parameters():
        if "conv_offset" in name:  # Zero at first, so that nothing is displaced.
            nn.init.normal_(parameter, std=0.05)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        before = model.backbone(image)
        use_channels_last(model)
        after = model.backbone(image)
    assert all(map(torch.Tensor.is_contiguous, after))
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other)
    use_bf16(model, "cpu")
    with torch.no_grad():
        halved = model.backbone(image)
    assert [(f.shape, f.dtype) for f in halved] == [(f.shape, f.dtype) for f in before]


def starter_config(classes: Sequence[str]) -> mmcv.Config:
    return training_config(mmcv.Config.fromfile(str(ROOT / "configs" / f"{STARTER}.py")), classes)


def retina_config(classes: Sequence[str]) -> mmcv.Config:
    return training_config(mmcv.Config.fromfile(str(load_zoo()["retinanet_r18_fpn_1x_coco"].config)), classes)


CLASSES = [(["apple"], ["pear"]), (["cat", "dog"], ["dog", "cat"]), (["cat"], ["cat", "dog"])]


@pytest.mark.parametrize(("base", "classes"), CLASSES)
def test_classes_of_another_name_or_order_leave_the_network_as_it_is(base: list[str], classes: list[str]) -> None:
    torch.manual_seed(0)
    state = build_detector(starter_config(base).model).state_dict()
    model, fresh = build(starter_config(classes), state, base, classes)
    after = model.state_dict()
    assert not fresh
    changed = {key for key in state if not torch.equal(state[key], after[key])}
    assert changed == {"roi_head.bbox_head.fc_cls.weight", "roi_head.bbox_head.fc_cls.bias"}
    rows = after["roi_head.bbox_head.fc_cls.weight"]
    before = state["roi_head.bbox_head.fc_cls.weight"]
    assert torch.equal(rows[-1], before[-1])
    for index, name in enumerate(classes):
        if name in base:
            assert torch.equal(rows[index], before[base.index(name)])


@pytest.mark.parametrize(("base", "classes"), CLASSES)
def test_every_anchor_keeps_the_classes_that_its_base_knows(base: list[str], classes: list[str]) -> None:
    torch.manual_seed(0)
    state = build_detector(retina_config(base).model).state_dict()
    model, fresh = build(retina_config(classes), state, base, classes)
    assert not fresh
    key = "bbox_head.retina_cls.weight"
    before, after = (tensor.unflatten(0, (9, -1)) for tensor in (state[key], model.state_dict()[key]))
    for index, name in enumerate(classes):
        if name in base:
            assert torch.equal(after[:, index], before[:, base.index(name)])
        else:  # As rare as MMDetection lets a class begin.
            assert torch.all(model.state_dict()["bbox_head.retina_cls.bias"][index :: len(classes)] < -4)


def test_what_lies_in_a_crowd_is_neither_object_nor_background() -> None:
    box = torch.tensor([[10.0, 10, 20, 20]])
    for part in ("rpn", "rcnn"):
        assigner = build_assigner(starter_config(["cat"]).model.train_cfg[part].assigner)
        crowd, elsewhere = torch.tensor([[0.0, 0, 30, 30]]), torch.tensor([[50.0, 50, 60, 60]])
        assigned = assigner.assign(box, elsewhere, crowd, torch.zeros(1, dtype=torch.long))
        assert assigned.gt_inds.tolist() == [-1]


def test_a_model_trained_here_is_a_base_with_the_same_settings() -> None:
    once = serving_config(retina_config(["cat"]))
    again = training_config(once, ["cat"])
    assert again.model.train_cfg == retina_config(["cat"]).model.train_cfg
    assert build_detector(again.model)


def test_a_model_trained_twice_is_called_fine_tuned_once(tmp_path: Path) -> None:
    config = starter_config(["cat"])
    state, base = build_detector(config.model).state_dict(), load_catalogue()["starter"]
    for _ in range(2):
        base = publish(tmp_path, "detector", state, config, ["cat"], base)
    assert base.title == "Starter Mask R-CNN, fine-tuned"


def test_a_loss_that_is_no_number_names_the_photos_and_leaves_no_model(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trained"
    command = ["--data", str(data), "--out", str(out), "--steps", "4", "--short", "96", "96", "--device", "cpu"]
    assert main([*command, "--lr", "1e30", "--evaluations", "1"]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "not a number" in line]
    assert re.fullmatch(r"The loss is not a number at step \d+, on \d\.png, \d\.png\.", line)
    assert not (out / "models.toml").exists()


class Toy(nn.Module):
    """The least that a trainer asks of a detector."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.norm = nn.BatchNorm2d(3)

    def forward(self, img: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.norm(self.conv(img)).square().mean()

    def forward_train(self) -> None: ...

    def _parse_losses(self, loss: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        return loss, {"loss": float(loss)}


def start_process(rank: int, port: int, folder: Path, photos: Path) -> None:
    """Train in one of two processes, of which the second is told to stop in its third step."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.manual_seed(rank)
    examples = TrainingSet(read_coco(photos), Normalisation((0, 0, 0), (255, 255, 255), True), Augmentation(), 0)
    trainer = Trainer(Toy(), examples, Plan(steps=50, save_every=50, evaluate_every=50), folder, "cpu", {})
    begun = copy.deepcopy([trainer.model.state_dict(), trainer.average.module.state_dict()])
    step = interrupted(Trainer._step, at=2, number=signal.SIGTERM) if rank else Trainer._step
    with patch.object(Trainer, "_step", step), pytest.raises(KeyboardInterrupt):
        trainer.run()
    torch.save([*begun, trainer.model.state_dict()], folder / f"{rank}.pth")
    dist.destroy_process_group()


def test_processes_that_train_together_begin_and_stop_alike(data: Path, tmp_path: Path) -> None:
    torch.multiprocessing.spawn(start_process, (free_port(), tmp_path, data), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in (0, 1))
    for mine, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    saved = torch.load(tmp_path / "last.pth", weights_only=True)
    assert saved["step"] == 3
    torch.testing.assert_close(saved["model"], one[-1], rtol=0, atol=0)


def test_an_epoch_is_shared_by_the_processes_and_measurements_are_as_many_as_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = parse(["--data", "photos", "--out", "trained", "--epochs", "2", "--batch", "3", "--evaluations", "4"])
    assert _plan(options, 301).steps == 201
    for steps in (4, 7, 201, 1001):
        every = _plan(argparse.Namespace(**vars(options) | {"steps": steps}), 301).evaluate_every
        assert len({*range(every, steps + 1, every), steps}) == 4
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert _plan(options, 301).steps == 100


@pytest.mark.parametrize("steps", ["0", "-1", "many"])
def test_a_number_of_steps_that_is_none_is_refused(steps: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--data", "photos", "--out", "trained", f"--steps={steps}"])
    assert "no whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--epochs=nan", "--epochs=inf", "--lr=0", "--lr=x", "--validation=2", "--seed=-1"])
def test_an_option_that_is_no_number_in_its_range_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--data", "photos", "--out", "trained", option])
    name, _, value = option.partition("=")
    assert f"argument {name}: {value!r} is no " in capsys.readouterr().err


def test_an_output_folder_that_cannot_be_one_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="file cannot be the output folder: File exists"):
        Trainer(Toy(), cast(Any, None), Plan(steps=1), tmp_path / "file", "cpu", {})


def test_a_model_that_cannot_be_gone_on_from_is_kept(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "models.toml").write_text("# An earlier training's")
    assert main(["--data", str(data), "--out", str(tmp_path)]) == 1
    assert "holds a model but no last.pth to go on from; choose another --out." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["models.toml"]


def test_a_training_that_begins_keeps_no_log_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 9, "scores": {}}')
    assert not Trainer(Toy(), cast(Any, None), Plan(steps=1), tmp_path, "cpu", {}).resume()
    assert read_log(tmp_path / "log.jsonl") == []


def test_photos_are_learned_at_the_size_at_which_they_will_be_looked_at() -> None:
    configs = [ROOT / "configs" / name for name in (f"{STARTER}.py", FULL)]
    starter, full = (read_config(path) for path in configs)
    side = min(starter.img_scale)
    assert short_sides(starter) == (side * 2 // 3, side)
    assert short_sides(full) == (533, 800)


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
        ("1 / 0", "division by zero"),
        ("model = dict(type='MaskRCNN')", "it needs `model` and `data.test.pipeline`"),
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


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ({"type": "CascadeRCNN", "roi_head": {"type": "CascadeRoIHead"}}, "CascadeRoIHead"),
        ({"type": "FCOS", "bbox_head": {"type": "FCOSHead"}}, "FCOSHead"),
        ({"type": "SOLO", "mask_head": {"type": "SOLOHead"}}, "SOLO"),
    ],
)
def test_a_detector_of_another_kind_is_refused_in_a_sentence(model: dict[str, Any], kind: str) -> None:
    with pytest.raises(TrainingError, match=f"Detectors with a {kind} cannot be fine-tuned"):
        training_config(mmcv.Config({"model": model}), ["cat"])


def test_a_part_that_does_not_exist_is_named() -> None:
    config = starter_config(["cat"])
    config.model.neck.type = "FPNX"
    with pytest.raises(TrainingError, match=r"The config cannot be built: .*FPNX"):
        build(config, {}, ["cat"], ["cat"])


def test_a_pipeline_without_normalize_is_refused_in_a_sentence() -> None:
    config = mmcv.Config({"data": {"test": {"pipeline": [{"type": "LoadImageFromFile"}]}}})
    with pytest.raises(TrainingError, match="no Normalize step"):
        normalisation(config)


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
    assert f"{out} was begun with another --data and --seed, or by" in capsys.readouterr().err
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
