"""From a bitmap to an animal or "not sure", by the networks of `python -m app.sketch.training`, run by OpenCV.

One ONNX file holds several networks, each trained without one fold of the drawings; their outputs are averaged. The
JSON file next to it, the card, holds the words of the outputs and the calibration. The networks see each drawing as it
is and mirrored.
"""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

ANIMALS = ("cat", "dog", "fish", "giraffe", "camel", "octopus")
NOT_SURE = "not sure"
BUNDLED = Path(__file__).parent / "weights"  # Used where CHECKPOINTS_DIR has no network.
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Guess:
    """What a drawing shows.

    probabilities: of the six animals, given that it is one of them; they sum to 1.
    not_sure: probability that it is none of them. sure: whether the best one reaches the threshold.
    answer: the name of the best one, or "not sure". seconds: duration of the recognition.
    """

    probabilities: dict[str, float]
    sure: bool
    answer: str
    not_sure: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Calibration:
    """Calibrates a network's outputs.

    temperature: divides the logits. other: added to the logit of all other words together.
    threshold: minimum probability, "none of them" included, of an animal that is named.
    raised: (6,), in the order of ANIMALS, added to their logits before the temperature.
    """

    temperature: float
    other: float
    threshold: float
    raised: Sequence[float] = (0.0,) * len(ANIMALS)


def judge(logits: Floats, words: list[str], calibration: Calibration) -> tuple[Floats, Floats]:
    """Calibrated probabilities from logits.

    Args:
        logits: (N, K) over the words, which include the six animals.
        words: the K names of the outputs.

    Returns:
        (N, 6) of the animals, which sum to 1, and (N,) of none of them, which is 0 for a network of only the six.
    """
    exact = np.asarray(logits, np.float64)
    six = (exact[:, [words.index(name) for name in ANIMALS]] + calibration.raised) / calibration.temperature
    rest = exact[:, [i for i, word in enumerate(words) if word not in ANIMALS]] / calibration.temperature
    animals = _logsumexp(six)
    probabilities = np.exp(six - animals[:, None])
    if not rest.shape[1]:
        return probabilities, np.zeros(len(exact))
    difference = np.clip(animals - _logsumexp(rest) - calibration.other, -500, 500)
    return probabilities, 1 / (1 + np.exp(difference))


def _logsumexp(values: Floats) -> Floats:
    top = values.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(values - top).sum(axis=1)))


class Recogniser:
    """The networks and their calibration, loaded for the first drawing. Safe to share between threads."""

    def __init__(self, network: Path, card: Path):
        """Args: the ONNX file and its card; neither is opened yet."""
        self._paths = network, card
        self._lock = threading.Lock()
        self._loaded: tuple[cv2.dnn.Net, dict[str, Any]] | None = None

    @classmethod
    def from_folder(cls, checkpoints_dir: Path | str, name: str = "small") -> "Recogniser":
        """The recogniser in a checkpoints folder, or the bundled one if the folder has none.

        Args:
            name: "small", or "baseline" for the network of the original drawing app.

        Raises:
            FileNotFoundError: neither folder has it.
        """
        for folder in (Path(checkpoints_dir), BUNDLED):
            network, card = folder / f"sketch_{name}.onnx", folder / f"sketch_{name}.json"
            if network.is_file() and card.is_file():
                return cls(network, card)
        raise FileNotFoundError(f"There is no sketch_{name}.onnx in {checkpoints_dir}.")

    @property
    def card(self) -> dict[str, Any]:
        """The card that the training wrote: words, folds, calibration, measurements."""
        return self._load()[1]

    def recognise(self, bitmap: npt.NDArray[np.uint8]) -> Guess:
        """Recognise a bitmap of `raster` or `picture`.

        Args:
            bitmap: (28, 28) uint8, white on black.

        Raises:
            ValueError: it has another shape or dtype.
        """
        start = time.perf_counter()
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
            seconds=time.perf_counter() - start,
        )

    def logits(self, bitmaps: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Log-probabilities of the words from each network, averaged over each drawing and its mirror image.

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
        return np.asarray((flat - _logsumexp(flat)[:, None]).reshape(output.shape).mean(axis=0), np.float32)

    def _load(self) -> tuple[cv2.dnn.Net, dict[str, Any]]:
        with self._lock:
            if self._loaded is None:
                network, card = self._paths
                self._loaded = cv2.dnn.readNetFromONNX(str(network)), json.loads(card.read_text())
            return self._loaded
