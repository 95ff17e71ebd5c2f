"""What the classic APIs share: a photo in, its finished run out, in one request."""

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response

from app.errors import NoPhoto, PublicError, ServiceUnavailable
from app.intake.photo import read_photo
from app.queue.submit import submit
from app.store.models import DONE, FINISHED, Run
from app.web.common import errors
from app.web.common.keys import owner
from app.web.common.services import services
from app.web.common.waiting import waiting_room


class AnalysisFailed(PublicError):
    status, code, message = 500, "analysis-failed", "This photo could not be analysed."


def analysed(data: bytes, *, name: str, analyses: tuple[str, ...], api: str, threshold: float) -> Run:
    """The finished run of a photo: queued like every other, and waited for.

    The old programs take a refusal for the end, and there is no answer but the result; so they may take any place to
    wait that the web process has left. They do not stand in line for one: that would keep a thread just as well.

    Args:
        api: which classic API asks; kept in the run's options.
        threshold: the score that the run's page shows from.

    Raises:
        Busy: no place to wait is left; nothing was queued. ServiceUnavailable: the result did not come in time; asking
        again costs nothing. AnalysisFailed: one of the analyses, with the reason. Every error of reading and submitting
        a photo.
    """
    if not data:
        raise NoPhoto
    held = services()
    settings = held.settings
    photo = read_photo(data, max_bytes=settings.max_upload_bytes, max_pixels=settings.max_pixels)
    with waiting_room().calls.needed():
        options = {"api": api, "threshold": threshold}
        run = submit(held, photo, name=name, analyses=analyses, owner=owner(), options=options)
        if run.state not in FINISHED:
            ended = _ended(run)
            held.jobs.wait(run.id, settings.job_timeout, until=ended)
            run = held.store.get_run(run.id)
    if run.state == DONE and all(analysis.state == DONE for analysis in run.analyses):
        return run
    if run.state in FINISHED:
        raise AnalysisFailed(run.error)
    raise ServiceUnavailable("The result did not come in time. Please send the photo again.", {"Retry-After": "5"})


def answer_errors(app: Flask, prefix: str, body: Callable[[str], Any]) -> None:
    """Answer every error at the addresses that begin with `prefix` as JSON of its own shape, made of one sentence."""

    def make(error: PublicError) -> Response:
        headers = {"Cache-Control": "no-store", **error.headers}
        return Response(json.dumps(body(error.message)), error.status, headers, mimetype="application/json")

    errors.shape(app, prefix, make)


def _ended(run: Run) -> Callable[[], bool]:
    store = services().store
    return lambda: store.get_run(run.id).state in FINISHED
