"""Correcting a run: from what a request says to what is stored. The caller has checked who asks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.errors import NothingToCorrect, NotReady
from app.store.corrections import OBJECTS
from app.store.models import Correction, Run
from app.store.states import State
from app.vision import masks
from app.vision.analyses.objects.correction import Corrected, CorrectedObject, model_objects
from app.vision.analyses.objects.result import Instances, mask_json
from app.vision.results import Analysed
from app.vision.rows import RLE, Box, shown_score
from app.web.common.inputs import CorrectedIn, CorrectionIn, InvalidRequest, MaskIn, PolygonIn
from app.web.common.keys import request_owner
from app.web.common.services import services

MAX_VALUES = 500_000  # in the JSON of a correction: a point of a polygon is three
# Sides of the smallest box, in pixels.
MIN_SIDE = 1.0


def model_answer(run: Run) -> tuple[Analysed, Instances]:
    """The answer of a run that can be corrected, and its instances. Raises NotReady, NothingToCorrect."""
    if run.state != State.DONE:
        raise NotReady
    analysed = services().store.results(run).get(OBJECTS)
    if analysed is None or not isinstance(analysed.result, Instances):
        raise NothingToCorrect
    return analysed, analysed.result


def current(run: Run, answer: Instances) -> Corrected:
    """A run's correction; before the first one, what it begins with."""
    return services().store.corrected(run.id) or Corrected.begun(answer, threshold(run))


def threshold(run: Run) -> float:
    """The score from which on the model's objects count, where nobody has corrected them."""
    return run.options.get("threshold", services().settings.threshold)


def correct(run: Run, asked: CorrectionIn) -> Correction:
    """Store what a request says of a run's photo, as the next version.

    Raises NotReady, NothingToCorrect, InvalidRequest, CorrectedMeanwhile, NotFound.
    """
    analysed, answer = model_answer(run)
    if asked.instances is None:
        corrected = replace(current(run, answer), checked=False)
    else:
        corrected = Corrected(answer.size, _objects(asked.instances, answer, analysed.card.classes))
    return keep(run, answer, corrected.checked_now() if asked.checked else corrected, asked.version)


def keep(run: Run, answer: Instances, corrected: Corrected, version: int) -> Correction:
    """Store a correction that is based on a version. Raises CorrectedMeanwhile, NotFound."""
    changes = corrected.changes(answer, threshold(run))
    return services().store.correct(run, corrected, version=version, author=request_owner(), changes=changes)


def describe(run: Run, mask_form: str = "rle") -> dict[str, Any]:
    """A run's correction as JSON: `schemas.Correction` of the API. Raises NotReady, NothingToCorrect."""
    analysed, answer = model_answer(run)
    corrected = current(run, answer)
    history = services().store.corrections(run.id)
    return {
        "version": history[-1].version if history else 0,
        "checked": corrected.checked,
        "classes": list(corrected.instances(analysed.card.classes).classes),
        "instances": [describe_object(o, mask_form) for o in corrected.objects],
        "history": [_change(version) for version in history],
    }


def describe_object(o: CorrectedObject, mask_form: str = "rle") -> dict[str, Any]:
    """One object of a correction as JSON: `schemas.CorrectedOut` of the API."""
    return {
        "from": o.origin,
        "class": o.name,
        "score": shown_score(o.score),
        "accepted": o.accepted,
        "box": list(o.box),
        "mask": mask_json(o.mask, np.ones(2), mask_form),
    }


def _change(version: Correction) -> dict[str, Any]:
    return {
        "version": version.version,
        "at": version.created_at.isoformat(),
        "by": "key" if version.author.startswith("k:") else "visitor",
        "checked": version.checked,
        "changes": version.changes,
    }


def known_name(name: str, classes: Iterable[str]) -> str:
    """A class's name, in the model's spelling where it knows the class."""
    return next((known for known in classes if known.casefold() == name.casefold()), name)


def _objects(asked: Sequence[CorrectedIn], answer: Instances, classes: Iterable[str]) -> tuple[CorrectedObject, ...]:
    origins = [item.origin for item in asked if item.origin is not None]
    if len(origins) > len(set(origins)):
        raise InvalidRequest("instances: two of them are from the same object of the model's answer.")
    model, known = model_objects(answer), tuple(classes)
    return tuple(_object(item, model, known, answer.size) for item in asked)


def _object(
    item: CorrectedIn, model: Sequence[CorrectedObject], known: Sequence[str], size: tuple[int, int]
) -> CorrectedObject:
    before = _before(item, model)
    name = before.name if item.class_name is None else known_name(item.class_name, known)
    mask = _mask(item.mask, size) if "mask" in item.model_fields_set else before.mask
    box = before.box if item.box is None else _box(item.box, size)
    after = replace(before, name=name, box=box, mask=mask)
    return replace(after, accepted=item.accepted or item.origin is None or after != before)


def _before(item: CorrectedIn, model: Sequence[CorrectedObject]) -> CorrectedObject:
    """The model's object that an object of a correction comes from, or a blank one, which needs a class and a box."""
    if item.origin is not None:
        if item.origin >= len(model):
            raise InvalidRequest(f"from: the model found {len(model)} objects, counted from 0.")
        return model[item.origin]
    if not item.class_name or item.box is None:
        raise InvalidRequest("instances: an object that is not from the model needs a class and a box.")
    return CorrectedObject(item.class_name, (0, 0, 0, 0), None, None, 1.0, accepted=True)


def _box(box: Sequence[float], size: tuple[int, int]) -> Box:
    """A box inside the photo. Raises InvalidRequest for one that has no area there."""
    x1, y1, x2, y2 = np.clip(np.array(box, np.float32).astype(float), 0, [size[1], size[0]] * 2).tolist()
    if x2 - x1 < MIN_SIDE or y2 - y1 < MIN_SIDE:
        raise InvalidRequest("box: x1, y1, x2, y2 must span at least one pixel of the photo each way.")
    return x1, y1, x2, y2


def _mask(mask: MaskIn | list[PolygonIn] | None, size: tuple[int, int]) -> RLE | None:
    """A mask of the photo's size, None for one without pixels. Raises InvalidRequest."""
    if mask is None:
        return None
    if isinstance(mask, MaskIn):
        rle = RLE((mask.size[0], mask.size[1]), mask.counts)
        if rle.size != size:
            raise InvalidRequest(f"mask: its size must be that of the photo, [{size[0]}, {size[1]}].")
        try:
            masks.check(rle)
        except ValueError as error:
            raise InvalidRequest(f"mask: {error}.") from error
    else:
        rle = masks.from_polygons([np.array(polygon) for polygon in mask], size)
    return rle if masks.area(rle) else None
