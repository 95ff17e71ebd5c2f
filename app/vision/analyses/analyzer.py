"""The contract of everything that looks at a photo, after LitServe's `LitAPI` hooks."""

from typing import Protocol

import numpy as np

from app.vision.results import Analysed, ModelCard


class Analyzer(Protocol):
    """A model with its pre- and post-processing. Cheap to make; `load` does the slow part, once.

    Made to be inherited from: `make_room` need not be written by those that have nothing to give.
    """

    card: ModelCard

    def load(self, device: str) -> None:
        """Read the weights and be ready.

        device: `cpu`, `cuda`, or `auto` for CUDA where there is some. Raises CheckpointError when they are unusable.
        """

    def make_room(self) -> None:
        """Give back memory that the next photo can do without, before a large one is decoded."""
        return

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Look at one upright photo, (H, W, 3) uint8 RGB. Never keeps a reference to it."""
