"""How a detector runs within a memory limit: decided once, when the worker starts.

The numbers were measured on Mask R-CNN R50-FPN with a hundred objects in every photo (Linux, OpenVINO 2026.4): the
peak of anonymous memory grows linearly with the network's input. Detectors with fewer channels need less.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from app.config.settings import Settings
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import Model
from app.vision.engine.memory import worker_limit_mb

# Megabytes of a worker without any weights; and of its supervisor with the pages of libraries that are in use.
WORKER_MB, SUPERVISOR_MB = 150, 110
# Megabytes per million pixels of input, by (precision of the graphs, of what they leave in floating point): where
# memory is saved (`runtime.Runtime.save_memory`), and where everything is kept for the next photo.
FRUGAL_MB = {("f32", "f32"): 315, ("bf16", "bf16"): 140, ("int8", "bf16"): 120, ("int8", "f32"): 240}
FAST_MB = {("f32", "f32"): 800, ("bf16", "bf16"): 520, ("int8", "bf16"): 500, ("int8", "f32"): 640}
# Short sides to choose from. Below the last a detector finds nothing, so it is the smallest whatever the limit.
SHORT_SIDES = range(800, 255, -32)
# Megabytes that a detector takes on PyTorch on the CPU, and per megabyte of its weights: measured were 960 for the
# starter (13 MB) and 1,820 for Mask R-CNN R50-FPN (170 MB).
PYTORCH_MB, PYTORCH_MB_PER_WEIGHT = 900, 5.4


@dataclass(frozen=True)
class MemoryPlan:
    """scale: maximum (long, short) side of the input; frugal: whether to save memory; reduced: whether the scale is
    smaller than the detector's own; enough: whether the limit is kept."""

    scale: tuple[int, int]
    frugal: bool
    reduced: bool
    enough: bool


def plan_memory(
    limit_mb: float, weights_mb: float, precision: tuple[str, str], scale: tuple[int, int], others_mb: float = 0
) -> MemoryPlan:
    """The largest input, and the fastest way to run it, within a limit.

    Args:
        limit_mb: memory of one worker with its share of the supervisor; 0: no limit.
        weights_mb: the graphs' weights; precision: a key of `FRUGAL_MB`; scale: the detector's own (long, short) side.
        others_mb: what the models of the other analyses keep between photos.
    """
    if not limit_mb:
        return MemoryPlan(scale, frugal=False, reduced=False, enough=True)
    long, short = max(scale), min(scale)
    free = limit_mb - SUPERVISOR_MB - WORKER_MB - weights_mb - others_mb
    if free >= FAST_MB[precision] * _megapixels(long, short):
        return MemoryPlan(scale, frugal=False, reduced=False, enough=True)
    sides = [short, *(side for side in SHORT_SIDES if side < short)]
    for side in sides:
        if free >= FRUGAL_MB[precision] * _megapixels(long * side / short, side):
            break
    else:
        side = sides[-1]
    chosen = (round(long * side / short), side)
    enough = free >= FRUGAL_MB[precision] * _megapixels(*chosen)
    return MemoryPlan(chosen, frugal=True, reduced=side < short, enough=enough)


def check_pytorch_memory(model: Model, path: Path, settings: Settings) -> None:
    """Raises CheckpointError where a worker's memory is too small for PyTorch: it would be killed again and again.

    path: the model's weights.
    """
    limit = worker_limit_mb(settings)
    needed = PYTORCH_MB + PYTORCH_MB_PER_WEIGHT * path.stat().st_size / 1e6
    if 0 < limit < needed:
        raise CheckpointError(
            f"{model.title} has no engine, and PyTorch needs about {needed:.0f} MB of memory for it where a worker has "
            f"{limit:.0f}; run `make engine`, or give the worker more memory."
        )


def _megapixels(long: float, short: float) -> float:
    """Of the largest padded input."""
    return math.ceil(long / 32) * 32 * math.ceil(short / 32) * 32 / 1e6
