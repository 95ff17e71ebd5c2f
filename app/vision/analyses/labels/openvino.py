"""ImageNet classifiers on OpenVINO."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from app.config.settings import Settings
from app.vision.analyses import registry
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.labels.processing import Preparation, best, prepare
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import Model
from app.vision.engine.record import read_record
from app.vision.engine.runtime import Graph, Runtime, small_runtime
from app.vision.results import Analysed, ModelCard

# Raised when the same engine would answer differently. Always f32, so that the answer is PyTorch's: one small crop
# takes a few milliseconds in any precision.
VERSION = "openvino-1-f32"


def record(how: Preparation, classes: tuple[str, ...], source: dict[str, str]) -> dict[str, Any]:
    """What a classifier's `engine.json` holds."""
    return {"classes": classes, "preparation": asdict(how), "source": source}


def make(model: Model, folder: Path, settings: Settings) -> "OpenVINOLabels":
    """The analyzer of a catalogue entry on its engine folder."""
    values = read_record(folder)
    classes, digest = tuple(values["classes"]), values["source"]["checkpoint"]
    card = ModelCard(model.analyzer, model.name, model.title, VERSION, digest, classes, model.note)
    how = values["preparation"]
    preparation = Preparation(how["shorter"], how["bicubic"], tuple(how["mean"]), tuple(how["std"]))
    return OpenVINOLabels(folder, card, preparation, small_runtime(settings, registry.find(model.analyzer).scarce_mb))


class OpenVINOLabels(Analyzer):
    """The labels analyzer on an engine folder written by `app.vision.analyses.labels.build`."""

    def __init__(self, folder: Path, card: ModelCard, preparation: Preparation, runtime: Runtime):
        self.card, self.folder, self.preparation, self.runtime = card, folder, preparation, runtime

    def load(self, device: str) -> None:
        """Compile the graph. device: always the CPU here. Raises CheckpointError when it cannot be read."""
        try:
            self._graph = Graph(self.runtime, self.folder / "net.xml")
        except RuntimeError as error:
            raise CheckpointError(f"The engine in {self.folder} is broken; delete it, run `make engine`.") from error
        self._graph.unload()

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Name what an upright photo, (H, W, 3) uint8 RGB, shows: five labels."""
        began = time.perf_counter()
        image = prepare(rgb, self.preparation)
        prepared = time.perf_counter()
        labels = best(self._graph(image)[0][0], self.card.classes)
        self._graph.unload()
        return Analysed(self.card, labels, {"preprocess": prepared - began, "network": time.perf_counter() - prepared})
