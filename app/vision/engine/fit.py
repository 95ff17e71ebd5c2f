"""Fitting a detector into little memory: decided once, when the worker starts.

The numbers were measured on Mask R-CNN R50-FPN with a hundred objects in every photo (Linux, OpenVINO 2026.4): the
peak of anonymous memory grows linearly with the network's input. Detectors with fewer channels need less.
"""

import math
from dataclasses import dataclass

from app.config.settings import Settings
from app.system.machine import memory_limit_mb

# Megabytes of a worker without any weights; and of its supervisor with the pages of libraries that are in use.
BASE_MB, AROUND_MB = 150, 110
# And of the models of the other analyses, where everything is kept; where memory is saved they leave nothing behind.
OTHERS_MB = 200
# Megabytes for a million pixels of input, by (precision of the graphs, of what they leave in floating point): where
# memory is saved (`runtime.Runtime.save_memory`), and where everything is kept for the next photo.
FRUGAL_MB = {("f32", "f32"): 315, ("bf16", "bf16"): 140, ("int8", "bf16"): 120, ("int8", "f32"): 240}
FAST_MB = {("f32", "f32"): 800, ("bf16", "bf16"): 520, ("int8", "bf16"): 500, ("int8", "f32"): 640}
# Short sides to choose from. Below the last nothing is found, so a detector stays there whatever the limit.
SHORT_SIDES = range(800, 255, -32)


def limit_mb(settings: Settings) -> float:
    """Megabytes that a worker process may use: MEMORY_LIMIT_MB's share, or the container's; 0 for no limit."""
    return (settings.memory_limit_mb or memory_limit_mb()) / settings.workers


@dataclass(frozen=True)
class Fit:
    """scale: greatest (long, short) side of the input; frugal: whether to save memory; reduced: whether the scale is
    less than the detector's own; enough: whether the limit is kept."""

    scale: tuple[int, int]
    frugal: bool
    reduced: bool
    enough: bool


def fit(limit_mb: float, weights_mb: float, precision: tuple[str, str], scale: tuple[int, int]) -> Fit:
    """The largest input, and the fastest way to run it, that keep to a limit.

    Args:
        limit_mb: memory of one worker with its share of the supervisor; 0: no limit.
        weights_mb: the graphs' weights; precision: a key of `FRUGAL_MB`; scale: the detector's own (long, short) side.
    """
    if not limit_mb:
        return Fit(scale, frugal=False, reduced=False, enough=True)
    long, short = max(scale), min(scale)
    free = limit_mb - AROUND_MB - BASE_MB - weights_mb
    if free - OTHERS_MB >= FAST_MB[precision] * _megapixels(long, short):
        return Fit(scale, frugal=False, reduced=False, enough=True)
    sides = [short, *(side for side in SHORT_SIDES if side < short)]
    for side in sides:
        if free >= FRUGAL_MB[precision] * _megapixels(long * side / short, side):
            break
    else:
        side = sides[-1]
    chosen = (round(long * side / short), side)
    enough = free >= FRUGAL_MB[precision] * _megapixels(*chosen)
    return Fit(chosen, frugal=True, reduced=side < short, enough=enough)


def _megapixels(long: float, short: float) -> float:
    """Of the largest padded input."""
    return math.ceil(long / 32) * 32 * math.ceil(short / 32) * 32 / 1e6
