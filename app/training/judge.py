"""Evaluate the model during training as it would be served, and publish the best weights."""

from pathlib import Path
from typing import Any

import mmcv
import torch

from app.datasets.coco import CocoData
from app.training.evaluate import predict
from app.training.publish import publish
from app.training.report import read_log
from app.training.scores import rank, score
from app.vision.analyses.objects.pytorch import MMDetector
from app.vision.catalogue.models import Model

NAME = "detector"
# Ranks below any score: nothing has been published.
NOTHING = -2.0


def load(model: Model, folder: Path, device: str) -> MMDetector:
    """A published detector, ready to analyse."""
    detector = MMDetector(model, folder / model.file)
    detector.load(device)
    return detector


class Judge:
    """Evaluates the averaged model on the validation photos, and publishes the best weights so far."""

    def __init__(self, folder: Path, config: mmcv.Config, base: Model, data: CocoData, device: str):
        self.folder, self.config, self.base, self.data, self.device = folder, config, base, data, device
        scored = [rank(entry["scores"]) for entry in read_log(folder / "log.jsonl") if "scores" in entry]
        self.best = max(scored, default=NOTHING) if (folder / "models.toml").is_file() else NOTHING

    def __call__(self, model: torch.nn.Module, step: int) -> dict[str, Any]:
        trial = self.folder / "trial"
        trial.mkdir(exist_ok=True)
        made = publish(trial, NAME, model.state_dict(), self.config, self.data.classes, self.base)
        scores = score(self.data, predict(load(made, trial, self.device), self.data))
        if rank(scores) > self.best:
            self.best = rank(scores)
            publish(self.folder, NAME, model.state_dict(), self.config, self.data.classes, self.base)
        return scores
