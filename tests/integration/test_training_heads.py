"""The heads of a detector learn alone: new classes beside the base's, or in their place."""

from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from app.config.settings import ROOT
from app.training import regions
from app.training.__main__ import main
from app.training.loop import Trainer
from app.training.report import read_log
from app.vision.catalogue.models import load_catalogue
from app.worker.training_folder import progress
from tests.fixtures.squares import COLOURS, write_squares
from tests.fixtures.trained import write_small
from tests.integration.test_training_loop import interrupted


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_small(tmp_path_factory.mktemp("base") / "small"))


@pytest.fixture(autouse=True)
def one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "VERSIONS", 1)


def options(data: Path, base: str, out: Path, *more: str) -> list[str]:
    common = ["--validation", "0.25", "--evaluations", "1", "--short", "96", "96", "--device", "cpu"]
    return ["--data", str(data), "--base", base, "--out", str(out), *common, *more]


def test_new_classes_are_learned_beside_the_bases_and_nothing_of_these_changes(
    data: Path, base: str, tmp_path: Path
) -> None:
    out = tmp_path / "trained"
    command = options(data, base, out, "--classes", "base+data", "--steps", "3", "--precision", "f32")
    with patch.object(Trainer, "_step", interrupted(Trainer._step, at=1)):
        assert main(command) == 130
    assert main(command) == 0
    log = read_log(out / "log.jsonl")
    assert [entry["step"] for entry in log if "loss" in entry] == [1, 2, 3]
    # What the base knows is among the weights to choose from.
    assert [entry["step"] for entry in log if "scores" in entry] == [0, 3]
    starter = load_catalogue()["starter"]
    before = torch.load(ROOT / "checkpoints" / starter.file, weights_only=True)["state_dict"]
    after = torch.load(out / "detector.pth", weights_only=True)
    assert after["meta"]["CLASSES"] == (*starter.classes, *COLOURS)
    learned = {key for key, value in after["state_dict"].items() if not torch.equal(value, before[key])}
    assert learned == {"roi_head.bbox_head.fc_cls.weight", "roi_head.bbox_head.fc_cls.bias"}
    for key in learned:
        rows = after["state_dict"][key]
        assert torch.equal(torch.cat([rows[:80], rows[-1:]]), before[key])


def test_the_heads_learn_the_classes_of_the_data_alone_masks_included(data: Path, base: str, tmp_path: Path) -> None:
    out = tmp_path / "trained"
    assert main(options(data, base, out, "--train", "heads", "--steps", "1")) == 0
    (entry,) = [entry for entry in read_log(out / "log.jsonl") if "loss" in entry]
    assert entry["loss_mask"] > 0
    assert "loss_rpn_cls" not in entry
    assert progress(out)["prepared"] == 1
    assert torch.load(out / "detector.pth", weights_only=True)["meta"]["CLASSES"] == tuple(COLOURS)


def test_photos_whose_features_do_not_fit_into_memory_are_refused_in_a_sentence(
    data: Path, base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions, "MAX_BYTES", 1)
    assert main(options(data, base, tmp_path / "trained", "--train", "heads", "--steps", "1")) == 1
    assert capsys.readouterr().err.splitlines()[-1] == regions.TOO_MANY
