"""Trains one network on all words, with the share of the six animals that the plan sets."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from app.sketch.training.networks import build

Bitmaps = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Plan:
    """How to train.

    animals: share of the six in each batch, each of them equally often.
    warmup: share of the steps in which the learning rate rises to lr; it then falls to zero along a cosine.
    smoothing: of the labels. choice: weight of the loss of choosing among the six, beside that of all words.
    shift: maximum random shift of a bitmap in pixels; half of the bitmaps are mirrored. warped: share of the bitmaps
    that are rotated and stretched too.
    """

    steps: int = 2000
    batch: int = 256
    animals: float = 0.4
    choice: float = 1.0
    lr: float = 4e-3
    weight_decay: float = 0.02
    warmup: float = 0.15
    smoothing: float = 0.1
    shift: int = 2
    warped: float = 0.5
    seed: int = 0


@dataclass(frozen=True)
class Pool:
    """The bitmaps to train on.

    animals: of each of the six the index of its word and its sources, each (N, 28, 28); all animals and all sources of
    an animal are sampled equally often. others: (M, 28, 28) of other words; labels: (M,) the indices of their words.
    """

    words: list[str]
    animals: list[tuple[int, list[Bitmaps]]]
    others: Bitmaps
    labels: npt.NDArray[np.int64]

    def batch(self, plan: Plan, rng: np.random.Generator) -> tuple[Bitmaps, npt.NDArray[np.int64]]:
        """A random batch: bitmaps (N, 28, 28) and the indices of their words."""
        count = round(plan.batch * plan.animals) if len(self.labels) else plan.batch
        bitmaps, labels = [], []
        for index in rng.integers(len(self.animals), size=count):
            label, sources = self.animals[index]
            source = sources[rng.integers(len(sources))]
            bitmaps.append(source[rng.integers(len(source))])
            labels.append(label)
        chosen = rng.integers(len(self.labels), size=plan.batch - count) if len(self.labels) else np.zeros(0, int)
        return np.concatenate([np.stack(bitmaps), self.others[chosen]]), np.concatenate([labels, self.labels[chosen]])


def train(name: str, pool: Pool, plan: Plan, log: Callable[[str], None] = print) -> nn.Module:
    """Train a network of this name on the pool; returns it in evaluation mode."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    network = build(name, len(pool.words))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    decayed = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=plan.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, plan))
    six = torch.tensor([label for label, _ in pool.animals])
    start, losses = time.process_time(), []
    network.train()
    for step, (bitmaps, labels) in enumerate(_batches(pool, plan, rng), 1):
        with torch.autocast("cpu", torch.bfloat16, enabled=_has_bf16()):
            logits = network(bitmaps)
        loss = loss_of(logits.float(), labels, six, plan)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.detach())
        if step % max(1, plan.steps // 4) == 0:
            mean = float(torch.stack(losses).mean())
            log(f"  step {step} of {plan.steps}: loss {mean:.3f}, {time.process_time() - start:.0f} CPU seconds")
            losses = []
    return network.eval()


def loss_of(logits: torch.Tensor, labels: torch.Tensor, six: torch.Tensor, plan: Plan) -> torch.Tensor:
    """The loss of naming the word, and of the animals that of choosing among the six with these indices (A,)."""
    named = cross_entropy(logits, labels, label_smoothing=plan.smoothing)
    drawn, which = (labels[:, None] == six).nonzero(as_tuple=True)
    chosen = cross_entropy(logits[drawn][:, six], which, label_smoothing=plan.smoothing, reduction="sum")
    return named + plan.choice * chosen / max(1, len(which))


def _rate(step: int, plan: Plan) -> float:
    warm = max(1, round(plan.warmup * plan.steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, plan.steps - warm)))


def _batches(pool: Pool, plan: Plan, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for _ in range(plan.steps):
        bitmaps, labels = pool.batch(plan, rng)
        flipped = rng.random(len(bitmaps)) < 0.5
        bitmaps = np.where(flipped[:, None, None], bitmaps[:, :, ::-1], bitmaps)
        bitmaps = _shifted(bitmaps, plan.shift, rng)
        for place in np.flatnonzero(rng.random(len(bitmaps)) < plan.warped):
            bitmaps[place] = warped(bitmaps[place], rng)
        yield as_input(bitmaps), torch.from_numpy(np.ascontiguousarray(labels))


def _shifted(bitmaps: Bitmaps, max_shift: int, rng: np.random.Generator) -> Bitmaps:
    """Bitmaps randomly moved by up to max_shift pixels, padded with black."""
    padded = np.pad(bitmaps, ((0, 0), (max_shift, max_shift), (max_shift, max_shift)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, bitmaps.shape[1:], axis=(1, 2))
    down, right = rng.integers(2 * max_shift + 1, size=(2, len(bitmaps)))
    shifted: npt.NDArray[np.uint8] = windows[np.arange(len(bitmaps)), down, right]
    return shifted


def warped(bitmap: Bitmaps, rng: np.random.Generator) -> Bitmaps:
    """A bitmap (28, 28) rotated about its centre by some 6 degrees, stretched and sheared by some 8 %."""
    angle = np.deg2rad(rng.normal(0, 6))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wide, high = np.exp(rng.normal(0, 0.08, 2))
    matrix = rotation @ np.array([[wide, rng.normal(0, 0.08)], [0, high]])
    centre = (np.array(bitmap.shape) - 1) / 2
    return np.asarray(
        cv2.warpAffine(bitmap, np.column_stack([matrix, centre - matrix @ centre]), bitmap.shape, flags=cv2.INTER_CUBIC)
    )


def as_input(bitmaps: Bitmaps) -> torch.Tensor:
    """Bitmaps (N, 28, 28) as the networks' input."""
    return torch.from_numpy(np.ascontiguousarray(bitmaps)).float().div_(255)[:, None]


def _has_bf16() -> bool:
    """Whether the processor supports bfloat16, which is then twice as fast."""
    return bool(torch.cpu._is_avx512_bf16_supported())
