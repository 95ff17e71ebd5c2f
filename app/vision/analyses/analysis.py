"""The contracts of an analysis: what its folder registers, and its analyzers (after LitServe's `LitAPI` hooks)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from app.vision.results import Analysed, ModelCard, Result

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.vision.catalogue.models import Model


class Analyzer(Protocol):
    """A model with its pre- and postprocessing. Cheap to make; `load` does the slow part, once.

    Inherit from it: `release_memory` has a default.
    """

    card: ModelCard

    def load(self, device: str) -> None:
        """Read the weights and be ready.

        Args:
            device: `cpu`, `cuda`, or `auto` for CUDA where there is one.

        Raises:
            CheckpointError: the weights cannot be used.
        """

    def release_memory(self) -> None:
        """Free what the next photo can do without; called before a large photo is decoded."""
        return

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Analyse one upright photo, (H, W, 3) uint8 RGB. Never keeps a reference to it."""


@dataclass(frozen=True)
class EngineExport:
    """How a model of an analysis is exported to an engine folder.

    version: raised when the same weights would be exported to graphs that answer differently.
    tools: the PyPI packages that are needed.
    write: takes the model, the checkpoints folder, the folder to write to, which exists, and what the engine records of
        its source. Raises EngineError, CheckpointError.
    quantize: adds int8 graphs to an engine folder, calibrated on photos, (H, W, 3) uint8 RGB. Raises EngineError.
    """

    version: str
    tools: tuple[str, ...]
    write: "Callable[[Model, Path, Path, dict[str, str]], None]"
    quantize: Callable[[Path, Iterable[np.ndarray]], None] | None = None


@dataclass(frozen=True)
class Analysis:
    """An analysis, as the `__init__` of its folder registers it. Its modules are imported only when they are used.

    name: in settings, addresses and stored results; title, summary: for people.
    result: the type of its results.
    packages: PyPI packages without which a worker does not load it, unless ANALYSES names it.
    make: the analyzer of a model on a runtime of its own, whatever ENGINE says. Raises CheckpointError.
    make_openvino: the analyzer of a model on its engine folder. Raises CheckpointError.
    make_pytorch: the analyzer of a model on PyTorch, or None where it cannot run here. Raises CheckpointError.
    export: None where its models have no engines.
    model_setting: the setting that can name its model, if there is one.
    memory_mb: megabytes that its models keep between two photos, at most, where they save no memory.
    scarce_mb: megabytes of a worker below which they do.
    """

    name: str
    title: str
    summary: str
    result: type[Result]
    packages: tuple[str, ...] = ()
    make: "Callable[[Model, Settings], Analyzer] | None" = None
    make_openvino: "Callable[[Model, Path, Settings], Analyzer] | None" = None
    make_pytorch: "Callable[[Model, Settings], Analyzer | None] | None" = None
    export: EngineExport | None = None
    model_setting: str = ""
    memory_mb: int = 0
    scarce_mb: int = 1024
