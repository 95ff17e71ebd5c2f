"""The training loop: AdamW, warm-up and cosine, gradient clipping, moving average of the weights, resumable.

Run under `torchrun --nproc-per-node N` it averages gradients over N processes. MMCV's runner is not used: it resumes
whole epochs only, stops between epochs, and keeps no moving average that can be resumed.
"""

import inspect
import json
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from app.training.dataset import BalancedSampler, TrainingSet
from app.training.errors import TrainingError
from app.training.model import train_mode
from app.training.regions import RegionSet

Examples = TrainingSet | RegionSet
# The other processes wait while the first one evaluates.
MAX_EVALUATION = timedelta(days=1)
# Steps that are tried to see how long one takes; the first, which is slower, does not count.
TRIED = 3


@dataclass(frozen=True)
class Plan:
    """How to train.

    batch: photos per step and process; lr: peak learning rate; ema: decay of the moving average; evaluate_first:
    whether the weights are evaluated before the first step too.
    """

    steps: int
    batch: int = 2
    lr: float = 3e-4
    warmup: int = 50
    weight_decay: float = 1e-4
    clip: float = 5.0
    ema: float = 0.998
    seed: int = 0
    save_every: int = 250
    evaluate_every: int = 1000
    evaluate_first: bool = False

    def lr_at(self, step: int) -> float:
        """Linear warm-up, then a cosine down to a hundredth."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def world_size() -> int:
    """The number of processes that train together, as set by `torchrun`."""
    return int(os.environ.get("WORLD_SIZE", 1))


def make_folder(folder: Path) -> Path:
    """Make the output folder where it is missing, and return it. Raises TrainingError: it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder} cannot be the output folder: {error.strerror}.") from error
    return folder


def steps_within(model: nn.Module, data: Examples, seconds: float, options: Any) -> int:
    """How many steps fit into a time, from the time that a few take forwards and backwards; at least one.

    A tenth of the time is left for evaluations. The weights stay as they are.
    """
    trainer = Trainer(model, data, Plan(TRIED, options.batch, seed=options.seed), options.out, options.device, {})
    return max(1, round(0.9 * seconds / trainer.seconds_a_step()))


class Trainer:
    """Trains `model` on `data` and keeps its state in `folder`: `last.pth` (to resume) and `log.jsonl` (curves).

    Args:
        origin: by option, the values that must be unchanged for a training in this folder to be resumed.
    """

    def __init__(
        self, model: nn.Module, data: Examples, plan: Plan, folder: Path, device: str, origin: Mapping[str, str]
    ):
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        self.model, self.data, self.plan, self.folder = model.to(device), data, plan, folder
        self.origin = dict(origin)
        self.rank, self.world = int(os.environ.get("RANK", 0)), world_size()
        # The model that steps call: all processes begin with the weights of the first and average their gradients.
        self.network: nn.Module = self.model
        if self.world > 1:
            if not dist.is_initialized():
                dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=MAX_EVALUATION)
            # A batch without objects, or without masks, leaves parameters unused. Batch norms keep their statistics.
            self.network = DistributedDataParallel(self.model, find_unused_parameters=True, broadcast_buffers=False)
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, plan.lr, weight_decay=plan.weight_decay)
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(plan.ema))
        # measured: the step of the last evaluation, -1 before; interrupted: whether this process was asked to stop.
        self.device, self.step, self.measured = device, 0, -1
        self.interrupted = False
        self.takes_masks = "gt_masks" in inspect.signature(getattr(model, "forward_train", model.forward)).parameters
        self.parse_losses = cast(Callable[[Any], tuple[torch.Tensor, dict[str, float]]], model._parse_losses)
        make_folder(folder)

    def resume(self, *, with_plan: bool = False) -> bool:
        """Load `last.pth` if there is one, and return whether there was. Without one the log starts empty.

        with_plan: go on with the plan that it was begun with.

        Raises TrainingError if it belongs to a training with another origin.
        """
        path = self.folder / "last.pth"
        if not path.is_file():
            if self.rank == 0:
                (self.folder / "log.jsonl").unlink(missing_ok=True)
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        other = [name for name, value in self.origin.items() if state["origin"].get(name) != value]
        if other:
            options = " and ".join(other)
            raise TrainingError(
                f"{self.folder} was begun with another {options}, or by another version of this program; "
                "choose another --out."
            )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.measured = state["step"], state["measured"]
        if with_plan:
            self.plan = Plan(**state["plan"])
        return True

    def tell_plan(self) -> None:
        """Write the plan into `plan.json`, for whoever follows the training."""
        if self.rank == 0:
            (self.folder / "plan.json").write_text(json.dumps(asdict(self.plan)))

    def seconds_a_step(self) -> float:
        """Seconds that a step takes, forwards and backwards, without learning from it."""
        sampler = BalancedSampler(self.data.samples, self.plan.seed, start=0)
        batches = iter(DataLoader(self.data, self.plan.batch, sampler=sampler, collate_fn=self.data.collate))
        train_mode(self.model)
        began = time.perf_counter()
        for number in range(TRIED):
            if number == 1:
                began = time.perf_counter()
            batch = self._to_device(next(batches))
            if not self.takes_masks:
                batch.pop("gt_masks", None)
            losses, _ = self.parse_losses(self.model(return_loss=True, **batch))
            losses.backward()
            self.model.zero_grad()
        return (time.perf_counter() - began) / (TRIED - 1)

    def run(self, evaluate: Callable[[Mapping[str, torch.Tensor]], dict[str, Any]] | None = None) -> None:
        """Train to the end of the plan, calling `evaluate(averaged weights)` at intervals and at the end.

        Raises:
            TrainingError: the loss is not a number; the photos of that step are named.
            KeyboardInterrupt: on Ctrl-C or SIGTERM, after the current step has been completed and saved.
        """
        plan = self.plan
        sampler = BalancedSampler(self.data.samples, plan.seed + self.rank, start=self.step * plan.batch)
        loader = DataLoader(self.data, plan.batch, sampler=sampler, collate_fn=self.data.collate)
        batches = iter(loader)
        torch.manual_seed(plan.seed + self.rank + 1000 * self.step)  # Each process samples regions of its own.
        self._measure(evaluate)
        train_mode(self.model)
        # The context closes the bar, so that the message of an error or interrupt starts on a line of its own.
        with tqdm(total=plan.steps, initial=self.step, unit="step", disable=self.rank > 0, smoothing=0.05) as bar:
            while self.step < plan.steps:
                with self._deferred_signals():
                    began = time.perf_counter()
                    losses = self._step(next(batches))
                    self.step += 1
                    bar.update()
                    if self.rank == 0:
                        self._log({"step": self.step, "lr": plan.lr_at(self.step), **losses}, began)
                        bar.set_postfix(loss=f"{losses['loss']:.2f}")
                    stopping = self._any_interrupted()
                    if stopping or self._evaluation_due() or self.step % plan.save_every == 0:
                        self._save()
                if stopping:
                    raise KeyboardInterrupt
                self._measure(evaluate)

    @contextmanager
    def _deferred_signals(self) -> Iterator[None]:
        """Inside this context Ctrl-C and SIGTERM only set `interrupted`."""

        def note(*_: object) -> None:
            self.interrupted = True

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _any_interrupted(self) -> bool:
        """Whether any process was asked to stop, so that all stop after the same step."""
        if self.world == 1:
            return self.interrupted
        flag = torch.tensor(float(self.interrupted), device=self.device)
        dist.all_reduce(flag, dist.ReduceOp.MAX)
        return bool(flag)

    def _evaluation_due(self) -> bool:
        if self.step == 0:
            return self.plan.evaluate_first
        return self.step >= self.plan.steps or self.step % self.plan.evaluate_every == 0

    def _measure(self, evaluate: Callable[[Mapping[str, torch.Tensor]], dict[str, Any]] | None) -> None:
        """Evaluate if it is due, also if a training was stopped before its last evaluation."""
        if not evaluate or self.rank or not self._evaluation_due() or self.measured == self.step:
            return
        self._log({"step": self.step, "scores": evaluate(self.average.module.state_dict())})
        self.measured = self.step
        self._save()

    def _step(self, batch: dict[str, Any]) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.lr_at(self.step)
        names = [meta["filename"] for meta in batch["img_metas"]]
        if not self.takes_masks:
            batch.pop("gt_masks", None)
        losses, values = self.parse_losses(self.network(return_loss=True, **self._to_device(batch)))
        if not math.isfinite(float(losses)):
            raise TrainingError(f"The loss is not a number at step {self.step}, on {', '.join(names)}.")
        self.optimizer.zero_grad()
        losses.backward()
        trained = self.optimizer.param_groups[0]["params"]
        nn.utils.clip_grad_norm_(trained, self.plan.clip)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return {name: round(float(value), 5) for name, value in values.items()}

    def _to_device(self, batch: dict[str, Any]) -> dict[str, Any]:
        def move(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return value.to(self.device)
            return [move(v) for v in value] if isinstance(value, list) else value

        return {name: move(value) for name, value in batch.items()}

    def _save(self) -> None:
        if self.rank:
            return
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "measured": self.measured,
            "origin": self.origin,
            "plan": asdict(self.plan),
        }
        part = self.folder / "last.pth.part"
        torch.save(state, part)
        part.replace(self.folder / "last.pth")

    def _log(self, entry: dict[str, Any], began: float | None = None) -> None:
        if began is not None:
            entry["seconds"] = round(time.perf_counter() - began, 3)
        with open(self.folder / "log.jsonl", "a") as file:
            file.write(json.dumps(entry) + "\n")
