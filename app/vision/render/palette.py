"""One colour a class, the same in photos, overlays, chips and lists; within one photo, colours that are far apart.

All colours have a relative luminance of 0.14 to 0.30, so that they stand out at 3:1 or more on white and on a dark
page. The chosen ones were picked greedily, each as far as possible from those before it in OKLab, as seen with normal
sight and with protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009); then given to the
classes that are found most often.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from itertools import product
from types import MappingProxyType
from typing import Final

import numpy as np

CHOSEN: Final = {
    "person": "#1f72d2",
    "car": "#e8542f",
    "bicycle": "#6c926c",
    "motorcycle": "#b93fd3",
    "bus": "#8688fe",
    "truck": "#925d65",
    "boat": "#2a7195",
    "traffic light": "#c31a9d",
    "cat": "#8959ba",
    "dog": "#ac7b49",
    "bird": "#d66f71",
    "horse": "#796737",
    "sheep": "#8966f9",
    "cow": "#f05b93",
    "bottle": "#498f00",
    "chair": "#c360bc",
    "couch": "#a24c80",
    "dining table": "#33969b",
    "cup": "#d11d58",
    "tv": "#359bd9",
    "potted plant": "#3e52fc",
    "book": "#b383b5",
    "face": "#a9810b",
}
WHITE, INK, BLACK = "#ffffff", "#0b0d0f", "#000000"
READABLE = 4.5  # Contrast of text, WCAG 2.2 AA.
_LUMINANCE = (0.14, 0.30)
_OBJECTS = 24  # Colours of objects, after which they begin again.
_APART = 0.06  # In OKLab, three times what is just noticeable.
# How linear sRGB is seen with normal sight, protanopia, deuteranopia and tritanopia (Machado et al. 2009, severity 1).
_SIGHTS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    ]
)
# Linear sRGB to OKLab by way of the cones' cube roots (Ottosson 2020).
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@cache
def colour(name: str) -> str:
    """The colour of a class as #rrggbb: a chosen one, or one made from the name, evenly spread over hues in OKLCH."""
    key = name.casefold().replace("_", " ").strip()
    return CHOSEN.get(key) or _spread(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest())


def colours_apart(names: Iterable[str]) -> Mapping[str, str]:
    """The colours of the classes of one photo as #rrggbb, by name.

    A class keeps its own colour unless somebody, colour-blind or not, could hardly tell it from one before it in
    `names`; then it gets the colour that is farthest from all of those. So the first eight or so can be told apart.
    """
    return _apart(tuple(dict.fromkeys(names)))


@lru_cache(64)
def _apart(names: tuple[str, ...]) -> Mapping[str, str]:
    spare, spare_seen = _spare()
    nearest = np.full(len(spare), np.inf)
    given: dict[str, str] = {}
    taken: list[np.ndarray] = []
    for name in names:
        chosen, seen = colour(name), _seen(colour(name))
        if any(_distance(seen, other) < _APART for other in taken):
            farthest = int(nearest.argmax())
            chosen, seen = spare[farthest], spare_seen[farthest]
        nearest = np.minimum(nearest, _distance(spare_seen, seen))
        taken.append(seen)
        given[name] = chosen
    return MappingProxyType(given)


def object_colour(place: int) -> str:
    """The colour of one object as #rrggbb by its place in a photo's results, far from those of the places before it."""
    return _objects()[place % _OBJECTS]


@cache
def text_colour(background: str) -> str:
    """White or near-black for text on #rrggbb, with a contrast of at least 4.5:1."""
    for text in (WHITE, INK):
        if contrast(text, background) >= READABLE:
            return text
    return BLACK  # Between the two black still has 4.58:1.


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, 1 to 21, as WCAG 2.2 defines it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(hex: str) -> float:
    """Relative luminance of #rrggbb, 0 to 1, as WCAG 2.2 defines it."""
    return _luminance(_linear_light(hex))


def rgb(hex: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of #rrggbb."""
    return int(hex[1:3], 16), int(hex[3:5], 16), int(hex[5:7], 16)


def _linear_light(hex: str) -> list[float]:
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb(hex))]


@cache
def _spare() -> tuple[list[str], np.ndarray]:
    """Colours all over the gamut that are readable, and how they are seen, (N, 4, 3)."""
    grid = product(np.linspace(0.5, 0.7, 9), np.linspace(0, 0.28, 8), np.linspace(0, 2 * math.pi, 36, endpoint=False))
    low, high = _LUMINANCE
    linear = (_linear(*map(float, point)) for point in grid)
    inside = (c for c in linear if min(c) >= 0 and max(c) <= 1 and low + 0.005 <= _luminance(c) <= high - 0.005)
    spare = list(dict.fromkeys(map(_hex, inside)))
    return spare, np.array([_seen(one) for one in spare])


@cache
def _objects() -> list[str]:
    """Each as far as possible from those before it, for whoever sees least of the difference."""
    spare, seen = _spare()
    chosen = [spare.index(min(spare, key=lambda one: float(_distance(_seen(one), _seen(CHOSEN["person"])))))]
    nearest = _distance(seen, seen[chosen[0]])
    while len(chosen) < _OBJECTS:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _distance(seen, seen[chosen[-1]]))
    return [spare[i] for i in chosen]


@cache
def _seen(hex: str) -> np.ndarray:
    """A colour in OKLab as each kind of sight sees it, (4, 3)."""
    light: np.ndarray = np.cbrt(np.maximum(_SIGHTS @ _linear_light(hex), 0) @ _CONES.T) @ _LAB.T
    return light


def _distance(seen: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The distance (...) of colours (..., 4, 3) to one, for whoever sees it as the smallest."""
    distance: np.ndarray = np.linalg.norm(seen - other, axis=-1).min(-1)
    return distance


def _luminance(linear: list[float]) -> float:
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _spread(digest: bytes) -> str:
    """A colour from 16 bits of hue, three lightnesses and two chromas, moved into gamut and luminance."""
    hue = int.from_bytes(digest[:2], "big") / 65536 * 2 * math.pi
    lightness = (0.55, 0.61, 0.67)[digest[2] % 3]
    chroma = (0.11, 0.17)[digest[3] % 2]
    while True:
        linear = _linear(lightness, chroma, hue)
        low, high = _LUMINANCE
        if min(linear) < 0 or max(linear) > 1:
            chroma *= 0.95
        elif _luminance(linear) < low + 0.005:
            lightness += 0.005
        elif _luminance(linear) > high - 0.005:
            lightness -= 0.005
        else:
            return _hex(linear)


def _linear(lightness: float, chroma: float, hue: float) -> list[float]:
    """OKLCH to linear sRGB (Ottosson 2020, https://bottosson.github.io/posts/oklab/)."""
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return [
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    ]


def _hex(linear: list[float]) -> str:
    return "#" + "".join(f"{round(255 * _companded(v)):02x}" for v in linear)


def _companded(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
