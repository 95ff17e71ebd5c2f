"""A photo of a folder with what an annotation file says of it, before either was checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from app.datasets.truth import Truth


class Objects(NamedTuple):
    """The objects of a photo, and one sentence for each annotation that cannot be used, to follow the photo's name."""

    truths: list[Truth]
    problems: list[str]


@dataclass(frozen=True)
class Labelled:
    """A photo with its annotations.

    path: of the photo; name: what it is called, with its sub-folders; described: (width, height) that the annotations
    are for, None where they do not say; objects: reads the annotations for the photo's (height, width).
    """

    path: Path
    name: str
    described: tuple[int, int] | None
    objects: Callable[[tuple[int, int]], Objects]


def sides(width: object, height: object) -> tuple[int, int] | None:
    """A width and a height that a file gives, as numbers or texts; None where it does not know them, or says 0."""
    texts = (str(width), str(height))
    known = all(text.isdecimal() and int(text) for text in texts)
    return (int(texts[0]), int(texts[1])) if known else None


def collect(makers: Sequence[tuple[str, Callable[[], Truth]]]) -> Objects:
    """Make objects; each maker comes with what its annotation is called, such as `annotation 7`."""
    truths, problems = [], []
    for label, make in makers:
        try:
            truths.append(make())
        except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            reason = str(error) if type(error) is ValueError else "cannot be read"
            problems.append(f"{label} {reason}")
    return Objects(truths, problems)
