"""A guess as the pages show it: a headline, seven bars, and the bitmap that was looked at."""

from dataclasses import dataclass
from typing import Any

from app.sketch import ANIMALS
from app.sketch.web.guessing import Bitmap, Seen
from app.vision.render.palette import colour
from app.web.pages.words import NBSP

# The bar of all that is none of the six.
OTHER = "something else"
# From this share on the program speaks without reserve.
CERTAIN = 0.75


@dataclass(frozen=True)
class Bar:
    """One line of the guess; share of 0..1, and the shares of all lines sum to 1."""

    name: str
    share: float
    colour: str
    best: bool = False

    @property
    def percent(self) -> str:
        """Plainly rounded, so that all lines make about 100; only what is certain has 100."""
        return percent(self.share)


@dataclass(frozen=True)
class Shown:
    """What is said of a drawing: headline and text; bars of the six and the rest.

    bitmap: (28, 28) uint8, white on black, what was looked at.
    """

    headline: str
    text: str
    answer: str
    bars: list[Bar]
    bitmap: Bitmap

    @property
    def pixels(self) -> list[tuple[int, int, float]]:
        """(x, y, ink of 0..1) where there is ink, row by row."""
        ink = self.bitmap.tolist()
        height, width = self.bitmap.shape
        return [(x, y, round(ink[y][x] / 255, 2)) for y in range(height) for x in range(width) if ink[y][x]]

    def json(self) -> dict[str, Any]:
        """Headline, text and bars, for the page's script."""
        bars = [{"name": bar.name, "share": bar.share, "percent": bar.percent} for bar in self.bars]
        return {"headline": self.headline, "text": self.text, "bars": bars}


def bars(shares: dict[str, float] | None = None, best: str = "") -> list[Bar]:
    """The lines for shares by name; all of them empty without."""
    shares = shares or {}
    lines = [Bar(name, shares.get(name, 0.0), colour(name), name == best) for name in ANIMALS]
    return [*lines, Bar(OTHER, shares.get(OTHER, 0.0), "", best == OTHER)]


def shown(seen: Seen) -> Shown:
    """What the pages say of a drawing."""
    guess = seen.guess
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
    return Shown(headline, text, guess.answer, bars(shares, best if guess.sure else ""), seen.bitmap)


def percent(share: float) -> str:
    """0.934 -> `93 %`, 0.997 -> `99 %`, 0.002 -> `0 %`."""
    return f"{min(99, round(100 * share)) if share < 1 else 100}{NBSP}%"


def with_article(name: str) -> str:
    """`a cat`, `an octopus`."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
