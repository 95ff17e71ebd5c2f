"""The training loop stops, resumes and shares work between processes; bad options are refused."""

import argparse
import copy
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
import torch
import torch.distributed as dist
from torch import nn

from app.datasets.coco import read_coco
from app.launch.redis_server import free_port
from app.training.__main__ import _plan
from app.training.dataset import Augmentation, Normalisation, TrainingSet
from app.training.errors import TrainingError
from app.training.loop import Plan, Trainer
from app.training.options import parse
from app.training.report import read_log
from tests.fixtures.squares import write_squares


class Toy(nn.Module):
    """The minimal detector that a trainer accepts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.norm = nn.BatchNorm2d(3)

    def forward(self, img: torch.Tensor, **_: Any) -> torch.Tensor:
        return self.norm(self.conv(img)).square().mean()

    def forward_train(self) -> None: ...

    def _parse_losses(self, loss: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        return loss, {"loss": float(loss)}


def interrupted(step: Callable[..., Any], at: int, number: int = signal.SIGINT) -> Callable[..., Any]:
    """A trainer's step during which a signal arrives."""

    def made(self: Trainer, batch: Any) -> Any:
        if self.step == at:
            # Called directly: with OpenVINO in the process a real signal can overflow the alternate stack.
            cast(Callable[..., object], signal.getsignal(number))(number, None)
        return step(self, batch)

    return made


def train_as(rank: int, environ: dict[str, str], folder: Path, photos: Path) -> None:
    """Train in one of two processes; the second one is told to stop in its third step."""
    torch.manual_seed(rank)
    data = read_coco(photos)
    examples = TrainingSet(data, data.classes, Normalisation((0, 0, 0), (255, 255, 255), True), Augmentation(), 0)
    step = interrupted(Trainer._step, at=2, number=signal.SIGTERM) if rank else Trainer._step
    with patch.dict(os.environ, environ | {"RANK": str(rank)}), patch.object(Trainer, "_step", step):
        trainer = Trainer(Toy(), examples, Plan(steps=50, save_every=50, evaluate_every=50), folder, "cpu", {})
        begun = copy.deepcopy([trainer.model.state_dict(), trainer.average.module.state_dict()])
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
    torch.save([*begun, trainer.model.state_dict()], folder / f"{rank}.pth")
    dist.destroy_process_group()


def test_processes_start_with_the_same_weights_and_stop_after_the_same_step(tmp_path: Path) -> None:
    photos = write_squares(tmp_path / "photos")
    environ = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    first = torch.multiprocessing.spawn(train_as, (environ, tmp_path, photos), nprocs=1, join=False)
    train_as(1, environ, tmp_path, photos)
    assert first.join()
    one, other = (torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in (0, 1))
    for mine, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    saved = torch.load(tmp_path / "last.pth", weights_only=True)
    assert saved["step"] == 3
    torch.testing.assert_close(saved["model"], one[-1], rtol=0, atol=0)


def test_an_epoch_is_shared_by_the_processes_and_evaluations_are_as_many_as_asked(
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
def test_an_invalid_number_of_steps_is_refused(steps: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--data", "photos", "--out", "trained", f"--steps={steps}"])
    assert "is not an integer of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--epochs=nan", "--epochs=inf", "--lr=0", "--lr=x", "--validation=2", "--seed=-1"])
def test_an_option_outside_its_range_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--data", "photos", "--out", "trained", option])
    name, _, value = option.partition("=")
    assert f"argument {name}: {value!r} is not a" in capsys.readouterr().err


def test_an_output_folder_that_is_a_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="file cannot be the output folder: File exists"):
        Trainer(Toy(), cast(Any, None), Plan(steps=1), tmp_path / "file", "cpu", {})


def test_a_new_training_starts_with_an_empty_log(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 9, "scores": {}}')
    assert not Trainer(Toy(), cast(Any, None), Plan(steps=1), tmp_path, "cpu", {}).resume()
    assert read_log(tmp_path / "log.jsonl") == []
