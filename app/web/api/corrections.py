"""`GET` and `PUT /runs/{id}/correction`: what a person says is in a photo, beside the model's answer."""

from typing import Any

import numpy as np
from flask import Response

from app.store.models import Correction, Run
from app.vision.analyses.objects.correction import Corrected
from app.vision.analyses.objects.result import mask_json
from app.vision.rows import shown_score
from app.web.api import schemas
from app.web.api.blueprint import api, describe, describe_json_body, json_response
from app.web.common import corrections, inputs
from app.web.common.bodies import read_json
from app.web.common.keys import check_corrector
from app.web.common.services import services

MAX_VALUES = 500_000  # in the JSON of a correction: a point of a polygon is three


@api.get(
    "/runs/<run_id>/correction",
    operation_id="getCorrection",
    summary="Get the correction of a run",
    responses=describe(404, 409, s200=schemas.Correction),
)
def get_correction(path: inputs.RunPath, query: inputs.CorrectionQuery) -> Response:
    """What a person says is in the photo, with who changed how much when; boxes and masks in pixels.

    Before the first correction: the model's objects from the run's threshold on, as version 0.
    """
    return json_response(_describe(services().store.get_run(path.run_id), query.masks))


@api.put(
    "/runs/<run_id>/correction",
    operation_id="putCorrection",
    summary="Correct a run",
    responses=describe(403, 404, 409, s200=schemas.Correction),
    openapi_extensions=describe_json_body(inputs.CorrectionIn),
)
def put_correction(path: inputs.RunPath, query: inputs.CorrectionQuery) -> Response:
    """Say what is in the photo: every object with class, box and mask. The model's answer stays as it is.

    For the run's owner, and with any API key. 409 `corrected-meanwhile` if `version` is not the newest one.
    """
    run = services().store.get_run(path.run_id)
    check_corrector(run.owner)
    corrections.correct(run, read_json(inputs.CorrectionIn, MAX_VALUES))
    return json_response(_describe(services().store.get_run(run.id), query.masks))


def _describe(run: Run, mask_form: str) -> dict[str, Any]:
    """A run's correction: `schemas.Correction`."""
    analysed, answer = corrections.model_answer(run)
    corrected = corrections.current(run, answer)
    history = services().store.corrections(run.id)
    return {
        "version": history[-1].version if history else 0,
        "checked": corrected.checked,
        "classes": list(corrected.instances(analysed.card.classes).classes),
        "instances": _instances(corrected, mask_form),
        "history": [_change(version) for version in history],
    }


def _instances(corrected: Corrected, mask_form: str) -> list[dict[str, Any]]:
    return [
        {
            "from": o.origin,
            "class": o.name,
            "score": shown_score(o.score),
            "accepted": o.accepted,
            "box": list(o.box),
            "mask": mask_json(o.mask, np.ones(2), mask_form),
        }
        for o in corrected.objects
    ]


def _change(version: Correction) -> dict[str, Any]:
    return {
        "version": version.version,
        "at": version.created_at.isoformat(),
        "by": "key" if version.author.startswith("k:") else "visitor",
        "checked": version.checked,
        "changes": version.changes,
    }
