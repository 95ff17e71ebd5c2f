"""Runs: listing, reading, deleting and cancelling them; their images, exports and events."""

from functools import partial
from typing import Any

from flask import Response, request

from app.errors import NotReady
from app.store.models import Run
from app.store.states import State
from app.vision.view import MEDIA_TYPES
from app.web.api import events, schemas
from app.web.api.blueprint import api, describe, describe_file, json_response
from app.web.api.serialise import (
    batch_with_runs,
    build_summary,
    requested_view,
    run_links,
    run_summary,
    run_with_results,
)
from app.web.common import inputs, runs
from app.web.common.exports import export_response
from app.web.common.keys import caller_owns, check_owner, request_owner
from app.web.common.rendering import render_view
from app.web.common.services import services

EXPORT_TYPES = ("application/json", "application/geo+json", "application/xml", "application/zip", "text/csv")


@api.get("/runs", operation_id="listRuns", summary="List your runs", responses=describe(s200=schemas.RunPage))
def list_runs(query: inputs.HistoryQuery) -> Response:
    """The runs of the API key, or of the visitor's cookie; newest first."""
    page = services().store.history(
        request_owner(),
        cursor=query.cursor,
        limit=query.limit,
        class_name=query.class_name,
        text=query.q,
        since=query.since,
        until=query.until,
    )
    return json_response({"runs": [run_summary(run) for run in page.runs], "next": page.next_cursor})


@api.get("/runs/<run_id>", operation_id="getRun", summary="Get a run", responses=describe(404, s200=schemas.Run))
def get_run(path: inputs.RunPath, query: inputs.ResultQuery) -> Response:
    """Its state, position in the queue and times; and of its results what the query asks for."""
    run = services().store.get_run(path.run_id)
    return json_response(run_with_results(run, _filters(query), coordinates=query.coordinates, mask_form=query.masks))


@api.delete(
    "/runs/<run_id>",
    operation_id="deleteRun",
    summary="Delete a run",
    responses=describe(403, 404, s204={"description": "The run is deleted."}),
)
def delete_run(path: inputs.RunPath) -> Response:
    """Delete a run, with its photo and results where no other run uses them. Only for its owner."""
    run = _own_run(path.run_id)
    runs.delete_run(run)
    return Response(status=204)


@api.post(
    "/runs/<run_id>/cancel",
    operation_id="cancelRun",
    summary="Cancel a run",
    responses=describe(403, 404, s200=schemas.RunSummary),
)
def cancel_run(path: inputs.RunPath) -> Response:
    """Cancel a run that has not ended. Only for its owner. A run that has ended stays as it is."""
    run = _own_run(path.run_id)
    runs.cancel_run(run)
    return json_response(run_summary(services().store.get_run(run.id)))


@api.get(
    "/runs/<run_id>/image",
    operation_id="getImage",
    summary="Get the annotated photo",
    responses=describe(
        404, 409, s200=describe_file("The photo.", *MEDIA_TYPES.values()), s304={"description": "Not modified."}
    ),
)
def get_image(path: inputs.RunPath, query: inputs.ImageQuery) -> Response:
    """The photo with the results drawn on it as the query asks for. 409 until the run is done."""
    run = services().store.get_run(path.run_id)
    view = requested_view(run, query.model_dump(exclude_none=True))
    _check_done(run)
    data, media_type, etag = render_view(run, view)
    response = Response(data, mimetype=media_type)
    response.set_etag(etag)
    # A correction changes what is drawn.
    response.headers["Cache-Control"] = "private, no-cache" if view.draws else "private, max-age=3600"
    response.make_conditional(request)
    return response


@api.get(
    "/runs/<run_id>/export",
    operation_id="getExport",
    summary="Export the result",
    responses=describe(404, 409, s200=describe_file("The file.", *EXPORT_TYPES)),
)
def get_export(path: inputs.RunPath, query: inputs.ExportQuery) -> Response:
    """The result as a file of another tool's format. 409 until the run is done."""
    run = services().store.get_run(path.run_id)
    view = requested_view(run, _filters(query))
    _check_done(run)
    return export_response([run], query.format, view)


@api.get(
    "/runs/<run_id>/events",
    operation_id="getEvents",
    summary="Follow a run",
    responses=describe(404, s200=events.RESPONSE),
)
def get_events(path: inputs.RunPath) -> Response:
    """Server-sent events: `position` while it is queued, `running`, and finally `done`, `failed` or `cancelled`."""
    run = services().store.get_run(path.run_id)
    summary = partial(build_summary, services(), links=run_links(run), own=caller_owns(run.owner))
    return events.stream(services(), run, summary)


@api.get(
    "/batches/<batch_id>",
    operation_id="getBatch",
    summary="Get a batch",
    responses=describe(404, s200=schemas.Batch),
)
def get_batch(path: inputs.BatchPath) -> Response:
    """The runs of several photos that were sent together."""
    return json_response(batch_with_runs(path.batch_id))


@api.get("/models", operation_id="listModels", summary="List the models", responses=describe(s200=schemas.Models))
def list_models() -> Response:
    """The analyses that are available, and their models."""
    jobs = services().jobs
    queue = jobs.status()
    models = [
        {**card.to_dict(), "identity": card.identity, "seconds": jobs.duration(name)}
        for name, card in sorted(queue.cards.items())
    ]
    return json_response({"models": models, "workers": queue.ready})


def _filters(query: inputs.Filters) -> dict[str, Any]:
    return query.model_dump(include=set(inputs.Filters.model_fields), exclude_none=True)


def _own_run(run_id: str) -> Run:
    run = services().store.get_run(run_id)
    check_owner(run.owner)
    return run


def _check_done(run: Run) -> None:
    if run.state != State.DONE:
        raise NotReady(f"This run is {run.state}. {run.error or ''}".strip())
