"""Evaluate the model during training as it would be served, and publish the best weights."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import mmcv
import torch

from app.config.settings import Settings
from app.datasets.coco import CocoData
from app.datasets.compared import MISTAKES_FILE, WATCHED_FILE, WORST_FILE, dump
from app.training.comparison import compared, confusion, watched, worst
from app.training.evaluate import predict
from app.training.publish import publish
from app.training.report import read_log
from app.training.scores import rank, score
from app.vision.analyses.objects.pytorch import MMDetector
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.models import Model

NAME = "detector"
# Ranks below any score: nothing has been published.
NOTHING = -2.0


def load(model: Model, folder: Path, device: str) -> MMDetector:
    """A published detector, ready to analyse."""
    detector = MMDetector(model, folder / model.file)
    detector.load(device)
    return detector


def load_base(base: Model, classes: tuple[str, ...], device: str) -> MMDetector | None:
    """The detector that a training began with; None where it knows none of the classes."""
    detector = load(base, base.home or Settings.from_env().checkpoints_path, device)
    return detector if set(classes) & set(detector.card.classes) else None


class Judge:
    """Evaluates averaged weights on the validation photos, and publishes the best so far. classes: the model's.

    It writes what the page of a training shows beside the curves, too.
    """

    def __init__(
        self, folder: Path, config: mmcv.Config, classes: Sequence[str], base: Model, data: CocoData, device: str
    ):
        self.folder, self.config, self.classes, self.base = folder, config, classes, base
        self.data, self.device = data, device
        scored = [rank(entry["scores"]) for entry in read_log(folder / "log.jsonl") if "scores" in entry]
        self.best = max(scored, default=NOTHING) if (folder / "models.toml").is_file() else NOTHING

    def __call__(self, weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        trial = self.folder / "trial"
        trial.mkdir(exist_ok=True)
        made = publish(trial, NAME, weights, self.config, self.classes, self.base)
        found = predict(load(made, trial, self.device), self.data)
        scores = score(self.data, found)
        if rank(scores) >= self.best:  # Of equals the one that learned longer.
            self.best = rank(scores)
            self._keep_mistakes(found)
            publish(self.folder, NAME, weights, self.config, self.classes, self.base)
        _write(self.folder / WATCHED_FILE, dump(compared(watched(self.data), found, self._before)))
        return scores

    @cached_property
    def _before(self) -> Mapping[int, Instances] | None:
        """What the base finds in the photos that are watched."""
        base = load_base(self.base, self.data.classes, self.device)
        return predict(base, watched(self.data)) if base else None

    def _keep_mistakes(self, found: Mapping[int, Instances]) -> None:
        photos = worst(self.data, found)
        counts = ("sha256", "name", "size", "missed", "wrong", "confused")
        listed = [{name: getattr(photo, name) for name in counts} for photo in photos]
        _write(self.folder / WORST_FILE, dump(photos))
        mistakes = {"confusion": confusion(self.data, found), "worst": listed}
        _write(self.folder / MISTAKES_FILE, json.dumps(mistakes).encode())


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
