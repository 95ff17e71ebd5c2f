"""The progress of a run as server-sent events: position, running, and finally done, failed or cancelled."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, json

from app.errors import Busy, NotFound
from app.queue.services import Services
from app.store.models import Run
from app.store.states import FINISHED, State
from app.web.common.waiting import thread_slots

# Seconds after which a silent stream checks the run again: when other runs end, its position changes without an event.
REFRESH = 5.0

# The response in the OpenAPI file.
RESPONSE: dict[str, Any] = {
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
Summary = Callable[[Run], dict[str, Any]]


def stream(services: Services, run: Run, summary: Summary) -> Response:
    """A response that streams a run's progress until it ends. Raises Busy when too many streams are open.

    The events are generated outside the request, so what depends on it is passed in: summary builds `RunSummary`.
    """
    streams = thread_slots().streams
    if not streams.acquire():
        raise Busy
    # The response releases the slot and not the generator, which never reaches a `finally` if it is never started.
    response = Response(_events(services, run, summary), mimetype="text/event-stream")
    response.call_on_close(streams.release)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(services: Services, run: Run, summary: Summary) -> Iterator[str]:
    """Every change as an event, and between them comments, by which the server notices a closed connection."""
    last: Event | None = None
    while True:
        event = _event(services, run, summary)
        yield ": waiting\n\n" if event == last else _encode(event)
        last = event
        if run.state in FINISHED:
            return
        try:
            services.jobs.wait(run.id, REFRESH, until=_has_changed(services, run))
            run = services.store.get_run(run.id)
        except NotFound:
            yield _encode(("deleted", {"id": run.id}))
            return


def _has_changed(services: Services, run: Run) -> Callable[[], bool]:
    """A function that tells whether the run has another state by now."""
    state = run.state
    return lambda: services.store.get_run(run.id).state != state


def _event(services: Services, run: Run, summary: Summary) -> Event:
    if run.state == State.QUEUED:
        progress = services.jobs.progress(run)
        return "position", {"position": progress.position, "eta": progress.eta}
    if run.state in FINISHED:
        return run.state, summary(run)
    return run.state, {"started_at": run.started_at and run.started_at.isoformat()}


def _encode(event: Event) -> str:
    name, data = event
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
