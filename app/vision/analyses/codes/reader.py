"""QR codes, barcodes and their relatives, by ZXing (https://github.com/zxing-cpp/zxing-cpp)."""

import math
import re
import time

import cv2
import numpy as np
import zxingcpp

from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.codes.result import Codes
from app.vision.catalogue.models import Model
from app.vision.catalogue.packages import checksum, package_weights
from app.vision.results import Analysed, ModelCard

# Raised when the same library would answer differently.
VERSION = "1"
# A larger photo is made smaller: ZXing takes half a second for a million pixels of noise.
MAX_PIXELS = 12_000_000
ALL = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.AllReadable)
LINEAR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.AllLinear)
# Control characters but tabs and line ends, those that change the direction of writing, and halves of surrogates.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

# A code, and its corners, (4, 2) float32.
Found = tuple[zxingcpp.Barcode, np.ndarray]


class CodeReader(Analyzer):
    """The codes analyzer. Needs nothing loaded."""

    def __init__(self, model: Model):
        digest = checksum(package_weights(model.package, model.files))
        self.card = ModelCard(model.analyzer, model.name, model.title, VERSION, digest, note=model.note)

    def load(self, device: str) -> None:
        """Nothing to load. device: always the CPU here."""

    def analyse(self, rgb: np.ndarray) -> Analysed:
        """Read the codes in an upright photo, (H, W, 3) uint8 RGB. ZXing reads at most 255."""
        began = time.perf_counter()
        size = (int(rgb.shape[0]), int(rgb.shape[1]))
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        del rgb
        if grey.size > MAX_PIXELS:
            factor = (MAX_PIXELS / grey.size) ** 0.5
            smaller = (max(1, int(size[1] * factor)), max(1, int(size[0] * factor)))
            grey = cv2.resize(grey, smaller, interpolation=cv2.INTER_AREA)
        prepared = time.perf_counter()
        found = _distinct([*_read(grey, ALL), *_read_slanted(grey)])
        found.sort(key=lambda pair: pair[1].mean(axis=0)[::-1].tolist())
        scale = np.array((size[1] / grey.shape[1], size[0] / grey.shape[0]), np.float32)
        corners = np.array([corners for _, corners in found], np.float32).reshape(-1, 4, 2) * scale
        formats, texts = (str(code.format) for code, _ in found), (safe(code.text) for code, _ in found)
        codes = Codes(size, tuple(formats), tuple(texts), corners)
        return Analysed(self.card, codes, {"preprocess": prepared - began, "read": time.perf_counter() - prepared})


def safe(text: str) -> str:
    """What a code says as a text that every page, file and database can hold.

    ZXing has already written bytes that are no text as Latin letters, and control characters as `<NUL>`.
    """
    return UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def _read(grey: np.ndarray, formats: zxingcpp.BarcodeFormats) -> list[Found]:
    return [(code, _corners(code.position)) for code in zxingcpp.read_barcodes(grey, formats)]


def _read_slanted(grey: np.ndarray) -> list[Found]:
    """Barcodes in the photo turned by 45 degrees: ZXing reads them up to 25 degrees off the photo's edges."""
    height, width = grey.shape
    side = math.ceil((width + height) / math.sqrt(2))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 45, 1)
    matrix[:, 2] += (side - width) / 2, (side - height) / 2
    turned = cv2.warpAffine(grey, matrix, (side, side), borderValue=255)
    back = cv2.invertAffineTransform(matrix)
    found = _read(turned, LINEAR)
    return [(code, (corners @ back[:, :2].T + back[:, 2]).astype(np.float32)) for code, corners in found]


def _distinct(found: list[Found]) -> list[Found]:
    """Each code once, as it was seen best: what a line reads that crosses a barcode aslant may be wrong and add up.

    Of codes that lie over one another, the largest was crossed by most lines.
    """
    kept: list[Found] = []
    rectangles: list[cv2.typing.RotatedRect] = []
    for code, corners in sorted(found, key=lambda pair: -cv2.contourArea(pair[1])):
        mine = cv2.minAreaRect(corners)
        if all(cv2.rotatedRectangleIntersection(mine, other)[0] == cv2.INTERSECT_NONE for other in rectangles):
            kept.append((code, corners))
            rectangles.append(mine)
    return kept


def _corners(place: zxingcpp.Position) -> np.ndarray:
    points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return np.array([(point.x, point.y) for point in points], np.float32)
