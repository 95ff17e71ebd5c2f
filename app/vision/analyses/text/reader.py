"""Text by PP-OCRv6 (https://github.com/PaddlePaddle/PaddleOCR) on OpenVINO: lines, which way up, and what they say.

The networks are the ONNX files in the package rapidocr, of which nothing else is used.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from app.config.settings import Settings
from app.vision.analyses import registry
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.text import lines, regions
from app.vision.analyses.text.lines import Picture
from app.vision.analyses.text.result import Lines
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import Model
from app.vision.catalogue.packages import checksum, weights
from app.vision.engine.runtime import Graph, Runtime, core, small_runtime
from app.vision.results import Analysed, ModelCard

# What the names of the networks' files have in them: the detector, the angle classifier, the recogniser.
PARTS = ("det", "cls", "rec")
# Raised when the same weights would answer differently.
VERSION = "openvino-1"
# Pixels: the longest side of the photo that lines are cut out of, and of the larger one of the two pictures that they
# are looked for in; the shorter side that a small photo is enlarged to, where that allows it.
MAX_PHOTO, MAX_SIDE, MIN_SIDE = 2560, 1280, 736
# Widths of a line that is read, in pixels: it is padded to a multiple of the first, and squeezed to the last.
WIDTH_STEP, MAX_WIDTH = 160, 2400
# Of all lines together, as they are padded, of which the largest are read: 85 lines across a page.
MAX_COLUMNS = 150_000
# Lines that are read both ways up.
MAX_DOUBTFUL = 50
# Width of a line as the angle classifier sees it, and lines a call.
ANGLE_WIDTH, ANGLE_BATCH = 192, 32
# Of a line that is stored; below, letters are guessed where there are none.
MIN_SCORE = 0.3


def make(model: Model, settings: Settings) -> "TextReader":
    """The analyzer of a catalogue entry. Raises CheckpointError where its package lacks one of the networks."""
    files = weights(model, settings.checkpoints_path)
    networks = {part: file for file in files for part in PARTS if f"_{part}_" in file.name}
    if len(networks) < len(PARTS):
        raise CheckpointError(f"{model.package} has other networks than {model.title}; run `make up`.")
    runtime = small_runtime(settings, registry.find(model.analyzer).scarce_mb, settings.precision)
    version = f"{VERSION}-{runtime.floating}"
    card = ModelCard(model.analyzer, model.name, model.title, version, checksum(files), note=model.note)
    return TextReader(card, runtime, networks)


class TextReader(Analyzer):
    """The text analyzer: three networks, each one's ONNX file."""

    def __init__(self, card: ModelCard, runtime: Runtime, networks: Mapping[str, Path]):
        """networks: the ONNX file of each of PARTS."""
        self.card, self.runtime, self._networks = card, runtime, networks

    def load(self, device: str) -> None:
        """Compile the networks. device: always the CPU here. Raises CheckpointError when they cannot be read."""
        try:
            graphs = [Graph(self.runtime, self._networks[part], exact=part == "det") for part in PARTS]
            self._letters = read_letters(self._networks["rec"])
        except (RuntimeError, KeyError) as error:
            raise CheckpointError(f"{self.card.title} is broken; install its package again.") from error
        self._detector, self._classifier, self._recogniser = graphs
        self.release_memory()

    def release_memory(self) -> None:
        """If memory is short, free the networks; the next photo makes them again in a second."""
        for graph in (self._detector, self._classifier, self._recogniser):
            graph.unload()

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Read the text in an upright photo, (H, W, 3) uint8 RGB."""
        began = time.perf_counter()
        size, rgb = (int(rgb.shape[0]), int(rgb.shape[1])), _scaled(rgb, min(1.0, MAX_PHOTO / max(rgb.shape)))
        found, pictures = self._find(rgb)
        detected = time.perf_counter()
        found, read = self._read(pictures, found)
        kept = [i for i in lines.reading_order(found) if read[i][0].strip() and read[i][1] >= MIN_SCORE]
        factors = np.array((size[1] / rgb.shape[1], size[0] / rgb.shape[0]), np.float32)
        scores = np.array([read[i][1] for i in kept], np.float32)
        result = Lines(size, found[kept] * factors, tuple(read[i][0].strip() for i in kept), scores)
        return Analysed(self.card, result, {"detect": detected - began, "read": time.perf_counter() - detected})

    def _find(self, rgb: np.ndarray) -> tuple[np.ndarray, list[Picture]]:
        """Rectangles around lines, (N, 4, 2), and the pictures that lines are cut out of, the smallest first."""
        short, long = sorted(rgb.shape[:2])
        scale = min(MAX_SIDE / long, max(1.0, MIN_SIDE / short))
        pictures = [(_scaled(rgb, factor), factor) for factor in (scale / 2, scale)]
        small, large = (self._regions(picture) for picture, _ in pictures)
        self._detector.unload()
        return regions.merge(small, large, 0.5) / scale, [*pictures, (rgb, 1.0)] if scale < 1 else pictures

    def _regions(self, picture: np.ndarray) -> np.ndarray:
        """Rectangles around lines, (N, 4, 2), in pixels of the picture."""
        found = regions.find_regions(self._detector(regions.prepare(picture))[0][0, 0])
        self._detector.release_buffers()
        return found

    def _read(self, pictures: Sequence[Picture], found: np.ndarray) -> tuple[np.ndarray, list[tuple[str, float]]]:
        """The lines that there is time for, (N, 4, 2) as they are read, and the text and score of each."""
        found = lines.largest(lines.upright(found), MAX_COLUMNS, WIDTH_STEP, MAX_WIDTH)
        flags, doubtful = lines.upside_down(found, self._chances(pictures, found))
        found = lines.turned(found, flags)
        read = [self._line(pictures, rectangle) for rectangle in found]
        for index in np.flatnonzero(doubtful)[:MAX_DOUBTFUL]:
            other = lines.turned(found[index, None], np.ones(1, int))[0]
            again = self._line(pictures, other)
            if again[1] > read[index][1]:
                found[index], read[index] = other, again
        self._recogniser.unload()
        return found, read

    def _chances(self, pictures: Sequence[Picture], found: np.ndarray) -> np.ndarray:
        """The chance of each line to be upside down, (N,) float32."""
        chances = np.zeros(len(found), np.float32)
        for first in range(0, len(found), ANGLE_BATCH):
            batch = found[first : first + ANGLE_BATCH]
            strips = np.zeros((len(batch), 3, lines.HEIGHT, ANGLE_WIDTH), np.float32)
            for values, rectangle in zip(strips, batch, strict=True):
                width = lines.width_of(rectangle, ANGLE_WIDTH)
                values[:, :, :width] = _normalised(lines.strip(pictures, rectangle, width))
            chances[first : first + ANGLE_BATCH] = self._classifier(strips)[0][:, 1]
        self._classifier.unload()
        return chances

    def _line(self, pictures: Sequence[Picture], rectangle: np.ndarray) -> tuple[str, float]:
        """What a line says, and its score. One line a call: several take as long one by one, and more memory."""
        width = lines.width_of(rectangle, MAX_WIDTH)
        values = np.zeros((1, 3, lines.HEIGHT, lines.padded(width, WIDTH_STEP)), np.float32)
        values[0, :, :, :width] = _normalised(lines.strip(pictures, rectangle, width))
        return decode(self._recogniser(values)[0][0], self._letters)


def decode(probabilities: np.ndarray, letters: Sequence[str]) -> tuple[str, float]:
    """The text that a recogniser's output says, and the mean of its letters' probabilities.

    The best letter of every column, each once where it goes over several, without blanks (connectionist temporal
    classification, Graves et al. 2006). probabilities: (columns, 1 + letters) float32, blank first.
    """
    best = probabilities.argmax(axis=1)
    new = (best > 0) & (best != np.concatenate(([0], best[:-1])))
    if not new.any():
        return "", 0.0
    return "".join(letters[i - 1] for i in best[new]), float(probabilities[new, best[new]].mean())


def read_letters(recogniser: Path) -> list[str]:
    """The letters that a recogniser knows, in the order of its output, which its ONNX file says. Raises KeyError."""
    known = core().read_model(str(recogniser)).get_rt_info()["framework"]["character"].astype(str)
    return [*known.split("\n"), " "]


def _normalised(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB as classifier and recogniser take it: (3, H, W) float32 from -1 to 1, blue first."""
    values: np.ndarray = rgb[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
    return values


def _scaled(rgb: np.ndarray, factor: float) -> np.ndarray:
    """The picture at another size, at least one pixel."""
    if factor == 1:
        return rgb
    size = (max(1, round(rgb.shape[1] * factor)), max(1, round(rgb.shape[0] * factor)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
