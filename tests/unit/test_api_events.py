"""Server-sent events of a run."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.unit.api_service import PHOTO, Service, json_of
from tests.unit.photos import jpeg


def follow(service: Service, run_id: str) -> TestResponse:
    return service.client.get(f"/api/v1/runs/{run_id}/events", buffered=False)


def parse(chunk: bytes) -> tuple[str, dict[str, Any]]:
    """Name and data of one event."""
    name, data = chunk.decode().strip().split("\n")
    assert name.startswith("event: ")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_run_is_followed_from_the_queue_through_the_work_to_its_end(service: Service) -> None:
    service.add(jpeg(50, 40))
    run = service.add(PHOTO)
    answer = follow(service, run.id)
    assert answer.mimetype == "text/event-stream"
    chunks = iter(answer.response)
    assert parse(next(chunks)) == ("position", {"position": 2, "eta": None})
    (analysis,) = run.analyses
    service.services.store.start_analysis(analysis.id)
    service.services.jobs.publish([run.id])
    assert parse(next(chunks))[0] == "running"
    service.answer()
    name, body = parse(next(chunks))
    assert (name, body["state"], body["id"]) == ("done", "done", run.id)
    assert next(chunks, None) is None


def test_a_finished_run_has_one_event(service: Service) -> None:
    run = service.know(PHOTO)
    events = follow(service, run.id).data.strip().split(b"\n\n")
    assert [parse(event)[0] for event in events] == ["done"]


def test_cancelling_ends_the_stream(service: Service) -> None:
    id = json_of(service.post(PHOTO))["id"]
    chunks = iter(follow(service, id).response)
    assert parse(next(chunks))[0] == "position"
    service.client.post(f"/api/v1/runs/{id}/cancel")
    assert parse(next(chunks))[0] == "cancelled"


def test_a_deleted_run_ends_the_stream(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.api.events.REFRESH", 0.01)
    id = json_of(service.post(PHOTO))["id"]
    chunks = iter(follow(service, id).response)
    assert parse(next(chunks))[0] == "position"
    service.services.store.delete_run(id)
    assert parse(next(chunks)) == ("deleted", {"id": id})


def test_a_silent_stream_shows_that_it_is_alive(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.api.events.REFRESH", 0.01)
    chunks = iter(follow(service, service.add(PHOTO).id).response)
    next(chunks)
    assert next(chunks).startswith(b":")


def test_a_run_moves_up_when_others_end(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.api.events.REFRESH", 0.01)
    first, second = service.add(jpeg(50, 40)), service.add(PHOTO)
    chunks = iter(follow(service, second.id).response)
    assert parse(next(chunks))[1]["position"] == 2
    service.services.jobs.cancel(first.analyses[0].id)
    news = next(chunk for chunk in chunks if not chunk.startswith(b":"))
    assert parse(news)[1]["position"] == 1


def test_streams_beyond_their_places_are_503_and_closing_one_makes_room(service: Service) -> None:
    id = service.add(PHOTO).id
    count = service.app.extensions["thread_slots"].streams.count
    streams = [follow(service, id) for _ in range(count)]
    refused = follow(service, id)
    assert (refused.status_code, json_of(refused)["code"]) == (503, "too-many-waiting")
    streams[0].close()
    again = follow(service, id)
    assert again.status_code == 200
    for stream in [*streams[1:], again]:
        stream.close()
