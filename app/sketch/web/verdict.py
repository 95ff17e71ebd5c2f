"""A guess as the pages show it: a headline, seven bars, and the bitmap that the network got."""

from dataclasses import dataclass
from typing import Any

from app.sketch import ANIMALS
from app.sketch.web.guesser import Bitmap, Recognition
from app.vision.render.palette import colour
from app.web.common.words import NBSP, with_article

# The bar for everything but the six animals.
OTHER = "something else"
# From this share on the headline is "It is" instead of "Looks like".
CERTAIN = 0.75


@dataclass(frozen=True)
class Bar:
    """One line of the guess. share: 0..1; the shares of all lines sum to 1."""

    name: str
    share: float
    colour: str
    best: bool = False

    @property
    def percent(self) -> str:
        """The share as a percentage."""
        return percent(self.share)


@dataclass(frozen=True)
class Verdict:
    """What the pages say about a drawing.

    bars: the six animals and everything else; bitmap: (28, 28) uint8, white on black.
    """

    headline: str
    text: str
    answer: str
    bars: list[Bar]
    bitmap: Bitmap

    @property
    def pixels(self) -> list[tuple[int, int, float]]:
        """(x, y, ink in 0..1) of the bitmap's pixels with ink, row by row."""
        ink = self.bitmap.tolist()
        height, width = self.bitmap.shape
        return [(x, y, round(ink[y][x] / 255, 2)) for y in range(height) for x in range(width) if ink[y][x]]

    def to_json(self) -> dict[str, Any]:
        """Headline, text and bars, for the page's script."""
        bars = [{"name": bar.name, "share": bar.share, "percent": bar.percent} for bar in self.bars]
        return {"headline": self.headline, "text": self.text, "bars": bars}


def bars(shares: dict[str, float] | None = None, best: str = "") -> list[Bar]:
    """The lines for shares by name; without shares all are empty."""
    shares = shares or {}
    lines = [Bar(name, shares.get(name, 0.0), colour(name), name == best) for name in ANIMALS]
    return [*lines, Bar(OTHER, shares.get(OTHER, 0.0), "", best == OTHER)]


def verdict(recognition: Recognition) -> Verdict:
    """What the pages say about a drawing."""
    guess = recognition.guess
    shares = {name: p * (1 - guess.not_sure) for name, p in guess.probabilities.items()}
    shares[OTHER] = guess.not_sure
    best = max(guess.probabilities, key=lambda name: guess.probabilities[name])
    if guess.sure:
        verb = "It is" if shares[best] >= CERTAIN else "Looks like"
        headline, text = f"{verb} {with_article(best)}", f"{percent(shares[best])} sure."
    elif guess.not_sure >= 0.5:
        headline, text = "Not sure", f"Maybe none of the six, or {with_article(best)}."
    else:
        headline, text = "Not sure", f"Perhaps {with_article(best)}."
    marked = best if guess.sure else ""
    return Verdict(headline, text, guess.answer, bars(shares, marked), recognition.bitmap)


def percent(share: float) -> str:
    """0.934 -> `93 %`, 0.997 -> `99 %`, 0.002 -> `0 %`: so that all lines sum to about 100."""
    return f"{min(99, round(100 * share)) if share < 1 else 100}{NBSP}%"
