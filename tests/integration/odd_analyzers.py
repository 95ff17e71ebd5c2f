"""Analyzers that break in every way that a model can, chosen by the width of the photo.

A worker loads them with `worker.py --analyzers tests.integration.odd_analyzers:offer`. The folder for what they tell
the test is DATA_DIR.
"""

import ctypes
import os
import resource
from pathlib import Path

import cv2
import numpy as np

from app.config.settings import Settings
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.labels.result import Labels
from app.vision.analyses.offer import Offer
from app.vision.results import Analysed, ModelCard

FINE, HANG, SEGFAULT, OUT_OF_MEMORY, STOP_ONCE, WAIT, RAISE = range(40, 47)


def offer(settings: Settings) -> Offer:
    return Offer({"labels": Odd(settings.data_path)}, {"objects": "Objects need a model."})


class Odd(Analyzer):
    """Answers one label, except for photos of the widths above."""

    def __init__(self, folder: Path):
        self.card, self._folder = ModelCard("labels", "odd", "Odd", "1", "0" * 64), folder

    def load(self, device: str) -> None:
        with (self._folder / "loads").open("a") as file:
            file.write(f"{os.getpid()}\n")

    def release_memory(self) -> None:
        (self._folder / "made room").touch()

    def analyse(self, rgb: np.ndarray) -> Analysed:
        width = rgb.shape[1]
        if width == HANG:
            ctypes.PyDLL(None).pause()  # native code that keeps Python's lock and never returns
        if width == SEGFAULT:
            ctypes.string_at(0)
        if width == OUT_OF_MEMORY:
            _ask_for_too_much()
        if width == RAISE:
            raise cv2.error("an error that is none of Python's own kinds")
        if width == STOP_ONCE and not self._seen("first"):
            self._tell()
            ctypes.PyDLL(None).pause()
        if width == WAIT:
            self._tell()
            with (self._folder / "go").open() as pipe:  # blocks until the test writes
                pipe.read()
        return Analysed(self.card, Labels(("odd",), (1.0,)), {"network": 0.0})

    def _seen(self, name: str) -> bool:
        path = self._folder / name
        known = path.exists()
        path.touch()
        return known

    def _tell(self) -> None:
        """Report through a named pipe that the analysis has started, and in which process."""
        with (self._folder / "at work").open("w") as pipe:
            pipe.write(str(os.getpid()))


def _ask_for_too_much() -> None:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, limits[1]))
    try:
        np.ones(8 * 2**30, np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
