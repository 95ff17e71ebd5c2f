"""The places of those who hold a thread: some threads are always left to everything else."""

import base64
import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from app.config.settings import Settings
from app.intake.address import Guard
from app.queue.changes import PAUSES, Pause
from app.web.common.waiting import Slots, ThreadSlots
from tests.http_server import Seen, reply, serving
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service

WEBHOOK = {"image": base64.b64encode(PHOTO).decode(), "webhook": "https://receiver.example/hook"}


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from api_service.running(settings, threads=4)


def taken(places: Slots) -> int:
    """How many places could be taken, one after the other."""
    count = 0
    while places.acquire():
        count += 1
    return count


@pytest.mark.parametrize("first", ["results", "polls", "streams", "fetches"])
def test_a_quarter_of_the_threads_is_never_held(first: str) -> None:
    for threads in range(2, 65):
        slots = ThreadSlots.for_threads(threads)
        held = taken(getattr(slots, first))
        assert held >= 1
        held += sum(taken(places) for places in (slots.fetches, slots.streams, slots.polls, slots.results))
        assert held <= threads - max(1, threads / 4)


def test_a_place_that_was_left_can_be_taken_by_another_kind() -> None:
    slots = ThreadSlots.for_threads(4)
    assert (taken(slots.polls), taken(slots.streams), taken(slots.fetches)) == (2, 1, 0)
    slots.streams.release()
    assert (taken(slots.fetches), taken(slots.streams)) == (1, 0)


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/api/v1/runs", {"json": {"url": "http://photos.example/a.jpg"}}),
        ("/api/v1/runs", {"json": WEBHOOK}),
        ("/do_data_science_url", {"data": {"url": "http://photos.example/a.jpg"}}),
        ("/demo_url", {"data": {"url": "http://photos.example/a.jpg"}}),
    ],
)
def test_beyond_its_places_no_address_is_visited(service: Service, path: str, request_: dict[str, Any]) -> None:
    service.app.config["WTF_CSRF_ENABLED"] = False
    service.app.extensions["address_guard"] = Guard(resolve=lambda host, port: pytest.fail("It was visited."))
    assert taken(service.app.extensions["thread_slots"].fetches) == 1
    answer = service.client.post(path, **request_)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert b"Too many addresses" in answer.data
    assert service.client.get("/healthz").status_code == 200


def test_a_photo_that_is_fetched_takes_a_place_until_it_is_there(service: Service) -> None:
    fetches = service.app.extensions["thread_slots"].fetches
    free_meanwhile: list[bool] = []

    def photo(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        free_meanwhile.append(fetches.acquire())
        reply(handler, 200, PHOTO)

    service.app.extensions["address_guard"] = Guard(allows=lambda address: address == "127.0.0.1", ports=None)
    with serving(photo) as server:
        answer = service.client.post("/api/v1/runs", json={"url": f"http://127.0.0.1:{server.port}/a.jpg"})
    assert (answer.status_code, free_meanwhile) == (202, [False])
    assert fetches.acquire()


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/classify", {"data": PHOTO, "content_type": "image/jpeg"}),
        ("/image", {"json": {"name": "a.jpg", "Uint8array": base64.b64encode(PHOTO).decode()}}),
        ("/do_data_science", {"data": {"file": (io.BytesIO(PHOTO), "a.jpg")}}),
    ],
)
def test_a_classic_request_pauses_until_its_result_is_there(
    service: Service, path: str, request_: dict[str, Any]
) -> None:
    environ = EnvironBuilder(path, method="POST", **request_).get_environ()
    began: list[str] = []
    pieces = iter(service.app(environ | {PAUSES: True}, lambda status, *_: began.append(status)))
    assert isinstance(next(pieces), Pause)
    assert began == []
    service.answer()
    assert all(isinstance(piece, bytes) for piece in pieces)
    assert began == ["200 OK"]


def test_a_classic_request_whose_analysis_fails_says_so_in_its_own_form(service: Service) -> None:
    environ = EnvironBuilder("/classify", method="POST", data=PHOTO, content_type="image/jpeg").get_environ()
    began: list[str] = []
    pieces = iter(service.app(environ | {PAUSES: True}, lambda status, *_: began.append(status)))
    assert isinstance(next(pieces), Pause)
    [id] = service.services.jobs.waiting()
    service.services.store.fail_analysis(id, "The model had no memory.")
    assert json.loads(b"".join(pieces)) == {"error": "The model had no memory."}
    assert began == ["500 INTERNAL SERVER ERROR"]
