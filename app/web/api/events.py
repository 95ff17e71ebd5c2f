"""The progress of a run as server-sent events: position, running, and finally done, failed or cancelled."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, json, request

from app.errors import Busy, NotFound
from app.queue.changes import PAUSES, Pause
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
    """A response that streams a run's progress until it ends. Raises Busy when too many streams hold a thread.

    The events are generated outside the request, so what depends on it is passed in: summary builds `RunSummary`.
    """
    pauses = bool(request.environ.get(PAUSES))
    streams = thread_slots().streams
    if not pauses and not streams.acquire():
        raise Busy
    # The response releases the slot and not the generator, which never reaches a `finally` if it is never started.
    response = Response(_events(services, run, summary, pauses), mimetype="text/event-stream")
    if not pauses:
        response.call_on_close(streams.release)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(services: Services, run: Run, summary: Summary, pauses: bool) -> Iterator[Any]:
    """Every change as an event, and between them comments, by which the server notices a closed connection.

    pauses: whether the server takes pauses among them, and holds no thread meanwhile.
    """
    last: Event | None = None
    with services.jobs.changes.watch(run.id) as watch:
        while True:
            watch.clear()
            try:
                run = services.store.get_run(run.id)
            except NotFound:
                yield _encode(("deleted", {"id": run.id}))
                return
            event = _event(services, run, summary)
            yield ": waiting\n\n" if event == last else _encode(event)
            last = event
            if run.state in FINISHED:
                return
            if pauses:
                yield Pause(watch, REFRESH)
            else:
                watch.wait(REFRESH)


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
