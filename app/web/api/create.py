"""`POST /runs`: send photos."""

import re
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import Any

from flask import Response, request, url_for

from app.config.analyses import DEFAULT_ANALYSES
from app.errors import BadRequest, NotFound, PublicError
from app.intake.archive import Entry
from app.intake.clock import Clock
from app.intake.develop import has_pages, unfolded
from app.intake.formats import MEDIA_TYPES
from app.intake.names import photo_path
from app.intake.photo import Photo, read_photo
from app.queue.submit import submit
from app.store.models import Run, RunOptions
from app.store.states import FINISHED
from app.vision.view import View
from app.web.api import schemas
from app.web.api.blueprint import (
    api,
    describe,
    describe_body,
    describe_header,
    describe_json,
    json_response,
)
from app.web.api.idempotency import claim, fingerprint
from app.web.api.serialise import batch_with_runs, run_with_results
from app.web.common import inputs
from app.web.common.keys import request_owner, visitor_or_caller
from app.web.common.limits import count_photos
from app.web.common.rejections import Rejections
from app.web.common.services import services
from app.web.common.sources import Source, check_webhook, read_request
from app.web.common.urls import absolute_url
from app.web.common.waiting import when_finished

LOCATION = describe_header("Address of the run, or of the batch.")


@api.post(
    "/runs",
    operation_id="createRun",
    summary="Send photos",
    responses=describe(
        408,
        409,
        411,
        413,
        415,
        s200=describe_json("The result was available within the time to wait.", "Submitted", Location=LOCATION),
        s202=schemas.Submitted,
    ),
    openapi_extensions=describe_body(
        *MEDIA_TYPES, "application/octet-stream", json=inputs.CreateJson, form=inputs.CreateForm
    ),
)
def create_run(query: inputs.CreateQuery, header: inputs.CreateHeaders) -> Response:
    """Send one photo as the raw body, as a form file, by address or as base64 in JSON; or several as form files.

    One photo makes a run; several form files, or a PDF of several pages, make a batch. Options go into the query, the
    form or the JSON.
    """
    sources, body_options = read_request(request, query.name)
    asked = query.model_dump(include=set(inputs.CreateForm.model_fields), exclude_none=True) | body_options
    options = _submit_options(asked, header.webhook_secret)
    preferred = _preferred_wait(header.prefer)
    request_print = ""
    if header.idempotency_key:
        named = sorted(asked.items()), header.webhook_secret
        request_print = fingerprint(*named, [source.fingerprint() for source in sources])
    with claim(services().jobs.redis, _key_owner(request_print), header.idempotency_key, request_print) as key:
        created = _find_created(key.created) if key.created else None
        if created is None:
            created = _create(sources, options, key.renew)
            key.keep(_reference(created), visitor_or_caller())
    if isinstance(created, str):
        return _batch_response(created)
    seconds = query.wait if query.wait is not None else preferred
    told = preferred if query.wait is None else None
    return when_finished(created, seconds or 0.0, lambda run: _run_response(run, query, told))


def _key_owner(request_print: str) -> str:
    """Whose idempotency key a request names. Strangers behind one address share only the keys of equal requests."""
    known = visitor_or_caller()
    return f"{known}:{request_print}" if known.startswith("address:") else known


def _create(sources: Sequence[Source], options: dict[str, Any], renew: Callable[[], None]) -> Run | str:
    """Create a run of one photo, or a batch of several or of a PDF's pages; returns the run, or the batch's id.

    Args:
        renew: called before each photo of a batch.
    """
    settings, owner = services().settings, request_owner()
    if len(sources) == 1:
        name, data = sources[0].read(settings)
        if not has_pages(data, max_bytes=settings.max_upload_bytes):
            return submit(services(), _checked(data), name=name, owner=owner, **options)
        sources = [Source(name, BytesIO(data))]  # An address is fetched once.
    if len(sources) > settings.batch_max:
        raise BadRequest(f"At most {settings.batch_max} photos can be sent at once.")
    return _create_batch(sources, owner, options, renew)


def _create_batch(sources: Sequence[Source], owner: str, options: dict[str, Any], renew: Callable[[], None]) -> str:
    store, jobs = services().store, services().jobs
    status = jobs.status()
    status.identities(options["analyses"])
    jobs.check_capacity(len(options["analyses"]), status.waiting)
    batch = store.add_batch(owner, retention_days=services().settings.retention_days)
    accepted, rejections = 0, Rejections()
    for number, entry in enumerate(_photos(sources)):
        renew()
        try:
            data = entry.content()
            if number:  # The request was counted, and with it the first of its photos.
                count_photos()
            photo = _checked(data)
            submit(services(), photo, name=entry.name, owner=owner, batch_id=batch.id, **options)
            accepted += 1
        except PublicError as error:
            rejections.add(entry.name, error)
    rejections.record(batch, accepted)
    return batch.id


def _photos(sources: Sequence[Source]) -> Iterator[Entry]:
    """The files one at a time, PDFs page by page."""
    settings = services().settings
    left, clock = settings.batch_max, Clock()
    limits = {"max_bytes": settings.max_upload_bytes, "max_pixels": settings.max_pixels}
    for source in sources:
        try:
            clock.check()
            name, data = source.read(settings)
            entry = Entry(photo_path(name), data)
        except PublicError as error:
            entry = Entry(photo_path(source.name), error=error)
        for photo in unfolded(entry, max_photos=left, clock=clock, **limits):
            left -= photo.data is not None
            yield photo


def _checked(data: bytes) -> Photo:
    settings = services().settings
    return read_photo(data, max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)


def _submit_options(asked: dict[str, Any], webhook_secret: str | None) -> dict[str, Any]:
    """The arguments of `submit` for a request's options. Raises BadRequest, AddressRefused, FetchFailed, Busy."""
    names = asked.get("analyses") or []
    analyses = tuple(dict.fromkeys(part.strip() for name in names for part in name.split(",") if part.strip()))
    view = View.from_args({name: asked[name] for name in ("threshold", "classes") if name in asked})
    options = RunOptions()
    if "threshold" in asked:
        options["threshold"] = view.threshold
    if view.classes is not None:
        options["classes"] = [view.to_args()["classes"]]  # Escaped: a name may contain a comma.
    webhook = check_webhook(asked.get("webhook"))
    if webhook_secret and not webhook:
        raise BadRequest("A Webhook-Secret needs a `webhook` that it signs.")
    hook = {"webhook": webhook, "webhook_secret": webhook_secret}
    return {"analyses": analyses or DEFAULT_ANALYSES, "options": options, **hook}


def _reference(created: Run | str) -> str:
    return f"batch {created}" if isinstance(created, str) else f"run {created.id}"


def _find_created(reference: str) -> Run | str | None:
    """What an earlier request with the same key created; None when it has been deleted since."""
    kind, _, id = reference.partition(" ")
    store = services().store
    try:
        return store.get_batch(id).id if kind == "batch" else store.get_run(id)
    except NotFound:
        return None


def _run_response(run: Run, query: inputs.CreateQuery, preferred: float | None) -> Response:
    body = run_with_results(run, {}, coordinates=query.coordinates, mask_form=query.masks)
    response = json_response(body, 200 if run.state in FINISHED else 202)
    response.headers["Location"] = absolute_url(url_for("api.get_run", run_id=run.id))
    if preferred is not None:
        response.headers["Preference-Applied"] = f"wait={preferred:g}"
    return response


def _batch_response(batch_id: str) -> Response:
    response = json_response(batch_with_runs(batch_id), 202)
    response.headers["Location"] = absolute_url(url_for("api.get_batch", batch_id=batch_id))
    return response


def _preferred_wait(value: str | None) -> float | None:
    """Seconds of `Prefer: wait=SECONDS` (RFC 7240), at most MAX_WAIT; other preferences are ignored."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})", value or "", re.IGNORECASE)
    return min(float(match[1]), float(inputs.MAX_WAIT)) if match else None
