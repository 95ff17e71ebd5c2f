"""What became of photos: runs, their images, exports and events."""

from typing import Any

from flask import Response, request

from app.errors import NotReady
from app.store.models import Run
from app.vision.view import MEDIA_TYPES, WHICH
from app.web.api import events, schemas
from app.web.api.blueprint import answer, answers, api, media
from app.web.api.create import batch_body
from app.web.api.serialise import full, links, summary, view_of
from app.web.common import deleting, inputs
from app.web.common.exports import export_response
from app.web.common.keys import may_change, owner
from app.web.common.rendered import rendered
from app.web.common.services import services

EXPORT_TYPES = ("application/json", "application/geo+json", "application/xml", "application/zip", "text/csv")


@api.get("/runs", operation_id="listRuns", summary="List your runs", responses=answers(s200=schemas.RunPage))
def list_runs(query: inputs.HistoryQuery) -> Response:
    """The runs of the API key, or of the visitor's cookie; newest first."""
    page = services().store.history(
        owner(),
        cursor=query.cursor,
        limit=query.limit,
        class_name=query.class_name,
        since=query.since,
        until=query.until,
    )
    return answer({"runs": [summary(run) for run in page.runs], "next": page.next_cursor})


@api.get("/runs/<run_id>", operation_id="getRun", summary="Get a run", responses=answers(404, s200=schemas.Run))
def get_run(path: inputs.RunPath, query: inputs.ResultOptions) -> Response:
    """Its state, place in the queue and times; and of its result what the query asks for."""
    run = services().store.get_run(path.run_id)
    return answer(full(run, _shown(query), coordinates=query.coordinates, mask_form=query.masks))


@api.delete(
    "/runs/<run_id>",
    operation_id="deleteRun",
    summary="Delete a run",
    responses=answers(403, 404, s204={"description": "The run is gone."}),
)
def delete_run(path: inputs.RunPath) -> Response:
    """Delete a run at once, with its photo and result where no other run uses them. For its owner only."""
    run = _own(path.run_id)
    deleting.delete_run(run)
    return Response(status=204)


@api.post(
    "/runs/<run_id>/cancel",
    operation_id="cancelRun",
    summary="Cancel a run",
    responses=answers(403, 404, s200=schemas.RunSummary),
)
def cancel_run(path: inputs.RunPath) -> Response:
    """End a run that has not ended. For its owner only. A run that has ended stays as it is."""
    run = _own(path.run_id)
    deleting.cancel(run)
    return answer(summary(services().store.get_run(run.id)))


@api.get(
    "/runs/<run_id>/image",
    operation_id="getImage",
    summary="Get the annotated photo",
    responses=answers(404, 409, s200=media("The photo.", *MEDIA_TYPES.values()), s304={"description": "Not changed."}),
)
def get_image(path: inputs.RunPath, query: inputs.ImageQuery) -> Response:
    """The photo with what was found drawn on it, as the query asks for. 409 until the run is done."""
    run = services().store.get_run(path.run_id)
    view = view_of(run, query.model_dump(exclude_none=True))
    _done(run)
    data, media_type, etag = rendered(run, view)
    response = Response(data, mimetype=media_type)
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, max-age=3600"
    response.make_conditional(request)
    return response


@api.get(
    "/runs/<run_id>/export",
    operation_id="getExport",
    summary="Export the result",
    responses=answers(404, 409, s200=media("The file.", *EXPORT_TYPES)),
)
def get_export(path: inputs.RunPath, query: inputs.ExportQuery) -> Response:
    """The result as a file of another tool's format. 409 until the run is done."""
    run = services().store.get_run(path.run_id)
    view = view_of(run, _shown(query))
    _done(run)
    return export_response([run], query.format, view)


@api.get(
    "/runs/<run_id>/events",
    operation_id="getEvents",
    summary="Follow a run",
    responses=answers(404, s200=events.DOCUMENTED),
)
def get_events(path: inputs.RunPath) -> Response:
    """Server-sent events: `position` while it is queued, `running`, and at last `done`, `failed` or `cancelled`."""
    run = services().store.get_run(path.run_id)
    return events.stream(services(), run, links(run))


@api.get(
    "/batches/<batch_id>", operation_id="getBatch", summary="Get a batch", responses=answers(404, s200=schemas.Batch)
)
def get_batch(path: inputs.BatchPath) -> Response:
    """The runs of several photos that were sent in one go."""
    return answer(batch_body(services(), path.batch_id))


@api.get("/models", operation_id="listModels", summary="List the models", responses=answers(s200=schemas.Models))
def list_models() -> Response:
    """The analyses that can be asked for, and who answers them."""
    jobs = services().jobs
    models = [
        {**card.to_dict(), "identity": card.identity, "seconds": jobs.duration(name)}
        for name, card in sorted(jobs.cards().items())
    ]
    return answer({"models": models, "workers": jobs.workers()})


def _shown(query: inputs.ResultOptions | inputs.ExportQuery) -> dict[str, Any]:
    return query.model_dump(include=set(WHICH), exclude_none=True)


def _own(run_id: str) -> Run:
    run = services().store.get_run(run_id)
    may_change(run.owner)
    return run


def _done(run: Run) -> None:
    if run.state != "done":
        raise NotReady(f"This run is {run.state}. {run.error or ''}".strip())
