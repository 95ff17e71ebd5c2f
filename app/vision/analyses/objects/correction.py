"""What a person says is in a photo: a second layer over the model's answer, never a change of it."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from app.vision.analyses.objects.result import Instances
from app.vision.rows import RLE, Box, shown_score


@dataclass(frozen=True)
class CorrectedObject:
    """One object of a correction.

    name: its class, which the model need not know; box: x1 y1 x2 y2 in pixels; mask: of the photo's size, None for a
    box alone.
    origin: its place in the model's answer, None for one that a person drew; score: the model's, 1 for a drawn one.
    accepted: whether a person has accepted, changed or drawn it.
    """

    name: str
    box: Box
    mask: RLE | None
    origin: int | None
    score: float
    accepted: bool

    @property
    def sureness(self) -> float:
        """Its score in the corrected result: 1 as soon as a person has accepted it."""
        return 1.0 if self.accepted else self.score


@dataclass(frozen=True)
class Corrected:
    """All objects of a photo as far as a person has come.

    size: (height, width) of the photo; checked: whether this is all there is, so that every object counts as accepted.
    """

    size: tuple[int, int]
    objects: tuple[CorrectedObject, ...]
    checked: bool = False

    @classmethod
    def begun(cls, answer: Instances, threshold: float) -> Self:
        """What every correction begins with: the model's objects from a threshold on, none of them accepted."""
        return cls(answer.size, tuple(o for o in model_objects(answer) if shown_score(o.score) >= threshold))

    def checked_now(self) -> Self:
        """The same, all accepted, with nothing missing."""
        return replace(self, objects=tuple(replace(o, accepted=True) for o in self.objects), checked=True)

    def instances(self, classes: tuple[str, ...]) -> Instances:
        """The corrected result, best first.

        classes: the model's; the names that it does not know follow after them.
        """
        objects = sorted(self.objects, key=lambda o: -o.sureness)
        known = tuple(dict.fromkeys((*classes, *(o.name for o in objects))))
        return Instances(
            self.size,
            known,
            np.array([o.box for o in objects], np.float32).reshape(-1, 4),
            np.array([o.sureness for o in objects], np.float32),
            np.array([known.index(o.name) for o in objects], np.int64),
            tuple(o.mask for o in objects) if any(o.mask for o in objects) else None,
        )

    def changes(self, answer: Instances, threshold: float) -> dict[str, int]:
        """How many objects differ from the model's answer, by what was done to them.

        accepted: as the model said; renamed, moved (another box), outlined (another mask): one object may count in
        each; drawn: new ones; deleted: those of the model, from a threshold on, that are gone.
        """
        model = model_objects(answer)
        counts: Counter[str] = Counter()
        for corrected in self.objects:
            counts.update(_differences(corrected, model))
        kept = {corrected.origin for corrected in self.objects}
        shown = [o.origin for o in model if shown_score(o.score) >= threshold]
        counts["deleted"] = sum(origin not in kept for origin in shown)
        return {name: count for name, count in counts.items() if count}

    def to_dict(self) -> dict[str, Any]:
        """The correction as it is stored: JSON values."""
        return {
            "size": list(self.size),
            "checked": self.checked,
            "objects": [
                {
                    "class": o.name,
                    "box": list(o.box),
                    "mask": o.mask and o.mask.counts,
                    "from": o.origin,
                    "score": o.score,
                    "accepted": o.accepted,
                }
                for o in self.objects
            ],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The correction that `to_dict` stored."""
        size = (int(data["size"][0]), int(data["size"][1]))
        objects = (
            CorrectedObject(
                o["class"],
                tuple(o["box"]),
                None if o["mask"] is None else RLE(size, o["mask"]),
                o["from"],
                o["score"],
                o["accepted"],
            )
            for o in data["objects"]
        )
        return cls(size, tuple(objects), data["checked"])


def model_objects(answer: Instances) -> list[CorrectedObject]:
    """The model's answer, object by object in its order, none accepted."""
    return [
        CorrectedObject(row.name, row.box, row.mask, origin, row.score, accepted=False)
        for origin, row in enumerate(answer.rows())
        if row.box is not None
    ]


def _differences(corrected: CorrectedObject, model: list[CorrectedObject]) -> list[str]:
    if corrected.origin is None:
        return ["drawn"]
    before = model[corrected.origin]
    differs = {
        "renamed": corrected.name != before.name,
        "moved": corrected.box != before.box,
        "outlined": corrected.mask != before.mask,
    }
    names = [name for name, different in differs.items() if different]
    return names or ["accepted"] * corrected.accepted
