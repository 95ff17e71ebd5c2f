"""What the classic APIs share: analysing a photo within one request, and their error format."""

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response

from app.errors import NoPhoto, PublicError, ServiceUnavailable
from app.intake.photo import read_photo
from app.queue.submit import submit
from app.store.models import Run, RunOptions
from app.store.states import FINISHED, State
from app.web.common import errors
from app.web.common.keys import request_owner
from app.web.common.services import services
from app.web.common.waiting import thread_slots


class AnalysisFailed(PublicError):
    status, code, message = 500, "analysis-failed", "This photo could not be analysed."


def analyse(data: bytes, *, name: str, analyses: tuple[str, ...], api: str, threshold: float) -> Run:
    """The finished run of a photo, which is queued like every other and waited for.

    Clients of the classic APIs do not retry and accept only a result, so these requests may use every free thread slot.

    Args:
        api: name of the classic API, kept in the run's options.
        threshold: the minimum score that the run's page shows.

    Raises:
        Busy: no slot is free; nothing was queued. ServiceUnavailable: the result did not arrive in time; repeating the
        request costs nothing. AnalysisFailed: an analysis failed, with the reason. Every error of reading and
        submitting a photo.
    """
    if not data:
        raise NoPhoto
    settings, store, jobs = services().settings, services().store, services().jobs
    photo = read_photo(data, max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    with thread_slots().results.required():
        options = RunOptions(api=api, threshold=threshold)
        run = submit(services(), photo, name=name, analyses=analyses, owner=request_owner(), options=options)
        if run.state not in FINISHED:
            run_id = run.id
            jobs.wait(run_id, settings.job_timeout, until=lambda: store.get_run(run_id).state in FINISHED)
            run = store.get_run(run_id)
    if run.state == State.DONE and all(analysis.state == State.DONE for analysis in run.analyses):
        return run
    if run.state in FINISHED:
        raise AnalysisFailed(run.error)
    raise ServiceUnavailable("The result did not arrive in time. Please send the photo again.", {"Retry-After": "5"})


def register_error_body(app: Flask, prefix: str, body: Callable[[str], Any]) -> None:
    """Answer errors at addresses that begin with `prefix` with JSON that `body` makes of the error's message."""

    def formatter(error: PublicError) -> Response:
        headers = {"Cache-Control": "no-store", **error.headers}
        return Response(json.dumps(body(error.message)), error.status, headers, mimetype="application/json")

    errors.register_format(app, prefix, formatter)
