"""One colour a class, the same in photos, overlays, chips and lists.

All colours have a relative luminance of 0.14 to 0.30, so that they stand out at 3:1 or more on white and on a dark
page. The chosen ones were picked greedily, each as far as possible from those before it in OKLab, as seen with normal
sight and with protanopia, deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009); then given to the
classes that are found most often.
"""

import hashlib
import math
from functools import cache
from typing import Final

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


@cache
def colour(name: str) -> str:
    """The colour of a class as #rrggbb: a chosen one, or one made from the name, evenly spread over hues in OKLCH."""
    key = name.casefold().replace("_", " ").strip()
    return CHOSEN.get(key) or _spread(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest())


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
    return _luminance([v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in _unit(hex)])


def rgb(hex: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of #rrggbb."""
    return int(hex[1:3], 16), int(hex[3:5], 16), int(hex[5:7], 16)


def _unit(hex: str) -> list[float]:
    return [v / 255 for v in rgb(hex)]


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
            return "#" + "".join(f"{round(255 * _companded(v)):02x}" for v in linear)


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


def _companded(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
