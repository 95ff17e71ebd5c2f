"""What the classic APIs share: analysing a photo within one request, and their error format."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
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
from app.web.common.waiting import can_pause, thread_slots, wait_here, when_finished


class AnalysisFailed(PublicError):
    status, code, message = 500, "analysis-failed", "This photo could not be analysed."


@dataclass(frozen=True)
class Asked:
    """What a classic API asks of a photo. api: its name, kept in the run's options; threshold: of the run's page."""

    api: str
    analyses: tuple[str, ...]
    threshold: float


def analyse(data: bytes, name: str, asked: Asked, build: Callable[[Run], Response]) -> Response:
    """The response that `build` makes of the finished run of a photo, which is queued like every other.

    Clients of the classic APIs do not retry and accept only a result. Where the server cannot pause a response, these
    requests may use every free thread slot.

    Raises:
        Busy: no slot is free; nothing was queued. Every error of reading and submitting a photo. Also of the response
        that comes later: ServiceUnavailable: the result did not arrive in time; repeating the request costs nothing.
        AnalysisFailed: an analysis failed, with the reason. Whatever `build` raises.
    """
    if not data:
        raise NoPhoto
    settings = services().settings
    photo = read_photo(data, max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    with nullcontext() if can_pause() else thread_slots().results.required():
        options = RunOptions(api=asked.api, threshold=asked.threshold)
        run = submit(services(), photo, name=name, analyses=asked.analyses, owner=request_owner(), options=options)
        if not can_pause() and run.state not in FINISHED:
            run = wait_here(services(), run, settings.job_timeout)
    return when_finished(run, settings.job_timeout if can_pause() else 0, lambda run: build(_answered(run)))


def _answered(run: Run) -> Run:
    """A run that is done. Raises ServiceUnavailable, AnalysisFailed."""
    if run.state == State.DONE and all(analysis.state == State.DONE for analysis in run.analyses):
        return run
    if run.state in FINISHED:
        raise AnalysisFailed(run.error)
    raise ServiceUnavailable("The result did not arrive in time. Please send the photo again.", {"Retry-After": "5"})


def json_response(body: Any) -> Response:
    """A response as the classic APIs write JSON."""
    return Response(json.dumps(body), mimetype="application/json")


def register_error_body(app: Flask, prefix: str, body: Callable[[str], Any]) -> None:
    """Answer errors at addresses that begin with `prefix` with JSON that `body` makes of the error's message."""

    def formatter(error: PublicError) -> Response:
        headers = {"Cache-Control": "no-store", **error.headers}
        return Response(json.dumps(body(error.message)), error.status, headers, mimetype="application/json")

    errors.register_format(app, prefix, formatter)
