"""`POST /runs`: photos in."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, request, url_for

from app.config.analyses import DEFAULT_ANALYSES
from app.errors import BadRequest, NotFound, PublicError
from app.intake.names import photo_name
from app.intake.photo import Photo, read_photo
from app.queue.services import Services
from app.queue.submit import submit
from app.store.models import FINISHED, Run
from app.vision.view import View
from app.web.api import schemas
from app.web.api.blueprint import answer, answers, api, header, json_answer
from app.web.api.idempotency import claim, fingerprint
from app.web.api.serialise import absolute, full, summary
from app.web.common import inputs
from app.web.common.keys import caller, owner
from app.web.common.refused import Refused
from app.web.common.services import services
from app.web.common.sources import Source, check_webhook, read_request
from app.web.common.waiting import wait_until_finished

LOCATION = header("Address of the run, or of the batch.")


@api.post(
    "/runs",
    operation_id="createRun",
    summary="Send photos",
    responses=answers(
        408,
        409,
        411,
        413,
        415,
        s200=json_answer("The result was there, or came within the time to wait.", "Submitted", Location=LOCATION),
        s202=schemas.Submitted,
    ),
)
def create_run(query: inputs.CreateQuery, header: inputs.CreateHeaders) -> Response:
    """Send one photo as the raw body, as a form file, by address or as base64 in JSON; or several as form files.

    One photo makes a run; several form files make a batch. Options go into the query, the form or the JSON.
    """
    held = services()
    sources, options = read_request(request, query.name)
    asked = query.model_dump(include=set(inputs.CreateForm.model_fields), exclude_none=True) | options
    wanted = _options(asked)
    prefer = _prefer(header.prefer)
    made_for = owner()
    print_ = fingerprint(sorted(asked.items()), [source.print for source in sources])
    with claim(held.jobs.redis, caller(), header.idempotency_key, print_) as known:
        made = _again(held, known.made) if known.made else None
        if made is None:
            made = _make(held, sources, wanted, made_for, known.renew)
            known.keep(_reference(made))
    if isinstance(made, str):
        return _batch(held, made)
    waited = query.wait if query.wait is not None else prefer
    run = wait_until_finished(held, made, waited or 0.0)
    return _one(run, query, prefer if query.wait is None else None)


def _make(
    held: Services, sources: Sequence[Source], wanted: dict[str, Any], made_for: str, renew: Callable[[], None]
) -> Run | str:
    """A run of the only photo; or a batch of several: its id. renew: called before each of several."""
    if len(sources) == 1:
        photo, name = _photo(held, sources[0])
        return submit(held, photo, name=name, owner=made_for, **wanted)
    if len(sources) > held.settings.batch_max:
        raise BadRequest(f"At most {held.settings.batch_max} photos can be sent at once.")
    held.jobs.identities(wanted["analyses"])
    held.jobs.check_capacity(len(wanted["analyses"]))
    batch = held.store.add_batch(made_for, retention_days=held.settings.retention_days)
    refused = Refused()
    for source in sources:
        renew()
        try:
            photo, name = _photo(held, source)
            submit(held, photo, name=name, owner=made_for, batch_id=batch.id, **wanted)
        except PublicError as error:
            refused.add(photo_name(source.name), error)
    refused.settle(batch, len(sources) - refused.count)
    return batch.id


def _photo(held: Services, source: Source) -> tuple[Photo, str]:
    settings = held.settings
    name, data = source.read(settings)
    return read_photo(data, max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels), name


def _options(asked: dict[str, Any]) -> dict[str, Any]:
    """What `submit` takes, of what was asked. Raises BadRequest, AddressRefused, FetchFailed, Busy."""
    names = asked.get("analyses") or []
    analyses = tuple(dict.fromkeys(part.strip() for name in names for part in name.split(",") if part.strip()))
    view = View.from_args({name: asked[name] for name in ("threshold", "classes") if name in asked})
    options: dict[str, Any] = {}
    if "threshold" in asked:
        options["threshold"] = view.threshold
    if view.classes is not None:
        options["classes"] = [view.to_args()["classes"]]  # a comma in a name stays told from one between names
    webhook = check_webhook(asked.get("webhook"))
    return {"analyses": analyses or DEFAULT_ANALYSES, "options": options, "webhook": webhook}


def _reference(made: Run | str) -> str:
    return f"batch {made}" if isinstance(made, str) else f"run {made.id}"


def _again(held: Services, reference: str) -> Run | str | None:
    """What an earlier request with the same key made; None when it has been deleted since."""
    kind, _, id = reference.partition(" ")
    try:
        return held.store.get_batch(id).id if kind == "batch" else held.store.get_run(id)
    except NotFound:
        return None


def _one(run: Run, query: inputs.CreateQuery, preferred: float | None) -> Response:
    ended = run.state in FINISHED
    body = full(run, {}, coordinates=query.coordinates, mask_form=query.masks)
    response = answer(body, 200 if ended else 202)
    response.headers["Location"] = absolute(url_for("api.get_run", run_id=run.id))
    if preferred is not None:
        response.headers["Preference-Applied"] = f"wait={preferred:g}"
    return response


def _batch(held: Services, batch_id: str) -> Response:
    response = answer(batch_body(held, batch_id), 202)
    response.headers["Location"] = absolute(url_for("api.get_batch", batch_id=batch_id))
    return response


def batch_body(held: Services, batch_id: str) -> dict[str, Any]:
    """A batch as `schemas.Batch`. Raises NotFound."""
    batch = held.store.get_batch(batch_id)
    runs = [summary(run) for run in held.store.batch_runs(batch_id)]
    return {"id": batch.id, "runs": runs, "refused": batch.refused}


def _prefer(value: str | None) -> float | None:
    """Seconds of `Prefer: wait=SECONDS` (RFC 7240), at most the longest wait; other preferences are not ours."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})", value or "", re.IGNORECASE)
    return min(float(found[1]), float(inputs.LONGEST_WAIT)) if found else None
