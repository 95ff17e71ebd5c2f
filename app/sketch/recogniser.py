"""A bitmap to an animal, or to "not sure": the networks of `python -m app.sketch.training`, served by OpenCV.

One ONNX file holds several networks, each trained without one fold of the drawings; their answers are averaged. The
file beside it, in JSON, says the words of their outputs and the calibration. A drawing is asked as it is and mirrored.
"""

import json
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

ANIMALS = ("cat", "dog", "fish", "giraffe", "camel", "octopus")
NOT_SURE = "not sure"
# The checkpoints that come with the program, where the folder in use has none of its own.
OWN = Path(__file__).resolve().parents[2] / "checkpoints"
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Guess:
    """What a drawing shows.

    probabilities: of the six animals, given that it is one of them; they sum to 1.
    not_sure: probability that it is none of them. sure: whether the best of them is likely enough to be named.
    answer: its name, or "not sure". seconds: the time it took.
    """

    probabilities: dict[str, float]
    sure: bool
    answer: str
    not_sure: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


@dataclass(frozen=True)
class Calibration:
    """From a network's outputs to probabilities that hold.

    temperature: divides the logits. other: added to the logit of all other words together.
    threshold: least probability of an animal, "none of them" considered, that is named.
    """

    temperature: float
    other: float
    threshold: float


def judge(logits: Floats, words: list[str], calibration: Calibration) -> tuple[Floats, Floats]:
    """Calibrated probabilities from logits.

    Args:
        logits: (N, K) over the words; the six animals are among them.
        words: the K names of the outputs.

    Returns:
        (N, 6) of the animals, which sum to 1, and (N,) that it is none of them: 0 for a network of the six alone.
    """
    scaled = np.asarray(logits, np.float64) / calibration.temperature
    six = scaled[:, [words.index(name) for name in ANIMALS]]
    rest = scaled[:, [i for i, word in enumerate(words) if word not in ANIMALS]]
    animals = _logsumexp(six)
    probabilities = np.exp(six - animals[:, None])
    if not rest.shape[1]:
        return probabilities, np.zeros(len(scaled))
    difference = np.clip(animals - _logsumexp(rest) - calibration.other, -500, 500)
    return probabilities, 1 / (1 + np.exp(difference))


def _logsumexp(values: Floats) -> Floats:
    top = values.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(values - top).sum(axis=1))


class Recogniser:
    """Networks and their calibration, read when the first drawing is asked. Safe to share between threads."""

    def __init__(self, network: Path, card: Path):
        """Args: the ONNX file and the JSON file beside it; neither is opened here."""
        self._paths = network, card
        self._lock = threading.Lock()
        self._loaded: tuple[cv2.dnn.Net, dict[str, Any]] | None = None

    @classmethod
    def from_folder(cls, checkpoints_dir: Path | str, name: str = "small") -> "Recogniser":
        """The recogniser of a checkpoints folder, or the program's own where that has none.

        Args:
            name: "small", or "baseline" for the network of the original drawing app.

        Raises:
            FileNotFoundError: neither folder has it.
        """
        for folder in (Path(checkpoints_dir), OWN):
            network, card = folder / f"sketch_{name}.onnx", folder / f"sketch_{name}.json"
            if network.is_file() and card.is_file():
                return cls(network, card)
        raise FileNotFoundError(f"There is no sketch_{name}.onnx in {checkpoints_dir}.")

    @property
    def card(self) -> dict[str, Any]:
        """What the training wrote about the networks: words, folds, calibration, measured figures."""
        return self._load()[1]

    def recognise(self, bitmap: npt.NDArray[np.uint8]) -> Guess:
        """Say what a bitmap of `raster` or `picture` shows.

        Args:
            bitmap: (28, 28) uint8, white on black.

        Raises:
            ValueError: another shape or type.
        """
        began = time.perf_counter()
        if bitmap.shape != (28, 28) or bitmap.dtype != np.uint8:
            raise ValueError("A bitmap is 28x28 and uint8.")
        card = self.card
        calibration = Calibration(**card["calibration"])
        logits = self.logits(bitmap[None]).mean(axis=1)
        probabilities, none = judge(logits, card["words"], calibration)
        best = int(probabilities[0].argmax())
        sure = bool(probabilities[0, best] * (1 - none[0]) >= calibration.threshold)
        return Guess(
            probabilities={name: float(p) for name, p in zip(ANIMALS, probabilities[0], strict=True)},
            sure=sure,
            answer=ANIMALS[best] if sure else NOT_SURE,
            not_sure=float(none[0]),
            seconds=time.perf_counter() - began,
        )

    def logits(self, bitmaps: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Log-probabilities over the words from each network, drawings as they are and mirrored averaged.

        Args:
            bitmaps: (N, 28, 28) uint8.

        Returns:
            (N, networks, words) float32.
        """
        network, card = self._load()
        both = np.concatenate([bitmaps, bitmaps[:, :, ::-1]]).astype(np.float32)[:, None] / 255
        with self._lock:
            network.setInput(both)
            output = np.asarray(network.forward(), np.float32)
        output = output.reshape(2, len(bitmaps), -1, len(card["words"]))
        flat = output.reshape(-1, output.shape[-1])
        return (flat - _logsumexp(flat)[:, None]).reshape(output.shape).mean(axis=0)

    def _load(self) -> tuple[cv2.dnn.Net, dict[str, Any]]:
        with self._lock:
            if self._loaded is None:
                network, card = self._paths
                self._loaded = cv2.dnn.readNetFromONNX(str(network)), json.loads(card.read_text())
            return self._loaded
