"""The training loop stops, shares and begins as it should; options that are none are refused."""

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

from app.training.__main__ import _plan, parse
from app.training.data import read_coco
from app.training.dataset import Augmentation, Normalisation, TrainingSet
from app.training.errors import TrainingError
from app.training.loop import Plan, Trainer
from app.training.report import read_log
from tests.conftest import free_port
from tests.fixtures.squares import write_squares


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


def interrupted(step: Callable[..., Any], at: int, number: int = signal.SIGINT) -> Callable[..., Any]:
    """A trainer's step during which a signal comes."""

    def made(self: Trainer, batch: Any) -> Any:
        if self.step == at:
            # Calls what the signal would: delivered in a process with OpenVINO it can outgrow the alternate stack.
            cast(Callable[..., object], signal.getsignal(number))(number, None)
        return step(self, batch)

    return made


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


def test_processes_that_train_together_begin_and_stop_alike(tmp_path: Path) -> None:
    photos = write_squares(tmp_path / "photos")
    torch.multiprocessing.spawn(start_process, (free_port(), tmp_path, photos), nprocs=2)
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


def test_a_training_that_begins_keeps_no_log_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 9, "scores": {}}')
    assert not Trainer(Toy(), cast(Any, None), Plan(steps=1), tmp_path, "cpu", {}).resume()
    assert read_log(tmp_path / "log.jsonl") == []
