"""A run's course as server-sent events: position, running, and one of done, failed, cancelled."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Response, json

from app.errors import NotFound
from app.queue.services import Services
from app.store.models import FINISHED, QUEUED, Run
from app.web.api.problems import Busy
from app.web.api.serialise import told
from app.web.common.waiting import waiting_room

# Seconds after which a silent stream looks again: other runs ending move a queued one up without news of its own.
REFRESH = 5.0

# One event, as the OpenAPI file describes it.
DOCUMENTED: dict[str, Any] = {
    "description": "Server-sent events, until the run has ended.",
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",
                "properties": {
                    "event": {"enum": ["position", "running", "done", "failed", "cancelled", "deleted"]},
                    "data": {"type": "string", "contentMediaType": "application/json"},
                },
                "required": ["event", "data"],
            }
        }
    },
}

Event = tuple[str, dict[str, Any]]


def stream(services: Services, run: Run, links: Mapping[str, str]) -> Response:
    """The answer that tells a run's course until it ends. Raises Busy when too many streams are open.

    What it yields is made outside of the request, of which it keeps nothing but the run's links.
    """
    streams = waiting_room().streams
    if not streams.take():
        raise Busy
    # The response gives the place back, not the generator: one that never starts never reaches its `finally`.
    response = Response(_events(services, run, links), mimetype="text/event-stream")
    response.call_on_close(streams.leave)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(services: Services, run: Run, links: Mapping[str, str]) -> Iterator[str]:
    """Every change as an event, and a comment now and then, which finds out whether anybody still listens."""
    last: Event | None = None
    while True:
        event = _event(services, run, links)
        yield ": waiting\n\n" if event == last else _encode(event)
        last = event
        if run.state in FINISHED:
            return
        try:
            services.jobs.wait(run.id, REFRESH, until=_has_left(services, run))
            run = services.store.get_run(run.id)
        except NotFound:
            yield _encode(("deleted", {"id": run.id}))
            return


def _has_left(services: Services, run: Run) -> Callable[[], bool]:
    """Whether the run is no longer in the state that it was seen in."""
    seen = run.state
    return lambda: services.store.get_run(run.id).state != seen


def _event(services: Services, run: Run, links: Mapping[str, str]) -> Event:
    if run.state == QUEUED:
        return "position", {"position": services.jobs.position(run), "eta": services.jobs.eta(run)}
    if run.state in FINISHED:
        return run.state, told(services, run, links)
    return run.state, {"started_at": run.started_at and run.started_at.isoformat()}


def _encode(event: Event) -> str:
    name, data = event
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
