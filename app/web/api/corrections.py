"""`GET` and `PUT /runs/{id}/correction`: what a person says is in a photo, beside the model's answer."""

from flask import Response

from app.web.api import schemas
from app.web.api.blueprint import api, describe, describe_json_body, json_response
from app.web.common import corrections, inputs
from app.web.common.bodies import read_json
from app.web.common.keys import check_corrector
from app.web.common.services import services


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
    return json_response(corrections.describe(services().store.get_run(path.run_id), query.masks))


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
    corrections.correct(run, read_json(inputs.CorrectionIn, corrections.MAX_VALUES))
    return json_response(corrections.describe(services().store.get_run(run.id), query.masks))
