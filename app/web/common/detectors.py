"""The detectors of the catalogue beside each other: which one answers, and what the others would give."""

import functools
from dataclasses import dataclass

from app.vision.catalogue.models import Model, load_catalogue
from app.vision.results import ModelCard


@dataclass(frozen=True)
class Detector:
    """One row of the comparison; None where a number is not known.

    box_ap, mask_ap: published average precision in percent; gflop, seconds: what a photo takes (see `Model`);
    megabytes: of the weights; answers: whether photos are looked at with it now.
    """

    name: str
    title: str
    answers: bool
    box_ap: float | None = None
    mask_ap: float | None = None
    gflop: float | None = None
    seconds: float | None = None
    megabytes: float | None = None


def compare(answering: ModelCard | None) -> list[Detector]:
    """The catalogue's detectors, and the one that answers where it is another.

    answering: the card of the model that finds objects now, None where none does.
    """
    name = answering.model if answering else ""
    rows = [_row(model, model.name == name) for model in _catalogue()]
    if answering and not any(row.answers for row in rows):
        rows.insert(0, Detector(name, answering.title, answers=True))
    return rows


def _row(model: Model, answers: bool) -> Detector:
    precision = (model.box_ap, model.mask_ap)
    return Detector(model.name, model.title, answers, *precision, model.gflop, model.seconds, model.megabytes)


@functools.cache
def _catalogue() -> tuple[Model, ...]:
    return tuple(model for model in load_catalogue().values() if model.analyzer == "objects")
