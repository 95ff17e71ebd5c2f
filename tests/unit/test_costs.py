"""What pictures and exports cost: a budget for pages and APIs, and nothing for callers who have hung up."""

import io
import socket
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisGone
from werkzeug.test import TestResponse

from app.config.settings import Settings
from app.vision.export import cutouts, files
from app.web.common import rendering
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service
from tests.unit.photos import jpeg
from tests.unit.visitor import Visitor


def limited(settings: Settings, rate: str) -> Iterator[tuple[Service, str]]:
    """A service with a budget, and the id of a finished run."""
    for service in api_service.running(settings, render_limit=rate):
        yield service, service.know(PHOTO, "objects").id


@pytest.fixture
def of_two(settings: Settings) -> Iterator[tuple[Service, str]]:
    yield from limited(settings, "2/hour")


@pytest.fixture
def unlimited(settings: Settings) -> Iterator[tuple[Service, str]]:
    yield from limited(settings, "")


def picture(service: Service, id: str, threshold: float, prefix: str = "", **options: Any) -> TestResponse:
    return service.client.get(f"{prefix}/runs/{id}/image?threshold={threshold}", **options)


def test_pages_and_api_share_a_budget_of_megapixels(of_two: tuple[Service, str]) -> None:
    service, id = of_two
    assert picture(service, id, 0.1).status_code == 200
    assert picture(service, id, 0.2, "/api/v1").status_code == 200
    for prefix in ("", "/api/v1"):
        answer = picture(service, id, 0.3, prefix)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
    assert service.client.get(f"/runs/{id}/export?format=cutouts").status_code == 429
    assert picture(service, id, 0.1).status_code == 200  # from the cache


def test_each_address_has_its_own_budget_and_a_visitor_half_of_it(of_two: tuple[Service, str]) -> None:
    service, id = of_two
    first, second = Visitor(service), Visitor(service)
    for visitor in (first, second):
        visitor.run()
        answers = [visitor.get(f"/runs/{id}/image?threshold=0.{n}").status_code for n in (1, 2)]
        if visitor is first:
            assert answers == [200, 429]
    assert picture(service, id, 0.8).status_code == 429
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "10.0.0.9"}}
    assert picture(service, id, 0.8, **elsewhere).status_code == 200


def test_without_redis_pictures_are_made_and_not_counted(
    settings: Settings, clean_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(settings, redis_url=clean_redis_url, own_redis=False, render_limit="1/hour")
    id = service.know(PHOTO, "objects").id
    assert [picture(service, id, threshold).status_code for threshold in (0.1, 0.2)] == [200, 429]

    def gone(*_: object, **__: object) -> None:
        raise RedisGone

    monkeypatch.setattr(service.services.jobs.redis.connection_pool, "get_connection", gone)
    assert picture(service, id, 0.3).status_code == 200
    service.close()


def test_only_some_exports_are_made_at_a_time(unlimited: tuple[Service, str]) -> None:
    service, id = unlimited
    slots = service.app.extensions["thread_slots"].exports
    taken = sum(slots.acquire() for _ in range(slots.count))
    answer = service.client.get(f"/runs/{id}/export")
    assert (taken, answer.status_code, answer.headers["Retry-After"]) == (slots.count, 503, "1")
    slots.release()
    assert service.client.get(f"/runs/{id}/export").status_code == 200
    assert slots.acquire()


def test_no_picture_is_made_for_a_caller_who_has_hung_up(
    unlimited: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, id = unlimited
    monkeypatch.setattr(rendering, "render", lambda *_: pytest.fail("it was rendered"))
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        answer = picture(service, id, 0.1, environ_overrides={"gunicorn.socket": ours})
    assert answer.status_code == 400


def test_an_export_ends_when_the_caller_hangs_up(
    unlimited: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, id = unlimited
    ours, theirs = socket.socketpair()
    made = []

    def cut(*_: Any) -> bytes:
        made.append(1)
        theirs.close()
        return b""

    monkeypatch.setattr(cutouts, "cut", cut)
    address = f"/runs/{id}/export?format=cutouts&threshold=0.05"
    with ours:
        assert service.client.get(address, environ_overrides={"gunicorn.socket": ours}).status_code == 400
    assert len(made) == 1
    service.client.get(address)
    assert len(made) > 2


def test_an_export_has_a_largest_size(unlimited: tuple[Service, str], monkeypatch: pytest.MonkeyPatch) -> None:
    service, id = unlimited
    monkeypatch.setattr(files, "MAX_SIZE", 100)
    answer = service.client.get(f"/api/v1/runs/{id}/export?format=cutouts")
    assert (answer.status_code, answer.json["code"]) == (422, "export-too-large")


def test_a_request_may_make_only_so_much(unlimited: tuple[Service, str], monkeypatch: pytest.MonkeyPatch) -> None:
    service, id = unlimited
    monkeypatch.setattr("app.web.common.costs.MAX_AT_ONCE", 2)
    assert service.client.get(f"/runs/{id}/export?format=cutouts&threshold=0.05").status_code == 429
    assert service.client.get(f"/runs/{id}/export?format=coco&threshold=0.05").status_code == 200


def test_the_zip_of_a_batch_comes_while_its_pictures_are_made(
    unlimited: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = unlimited
    visitor = Visitor(service)
    batch = visitor.send((PHOTO, "a.jpg"), (jpeg(50, 40), "b.jpg"), (jpeg(60, 40), "c.jpg")).location
    service.answer()
    made = []
    render = rendering.render

    def counted(*arguments: Any) -> bytes:
        made.append(1)
        return render(*arguments)

    monkeypatch.setattr(rendering, "render", counted)
    answer = visitor.get(f"{batch}/download", buffered=False)
    pieces = answer.iter_encoded()
    received = next(pieces)
    assert len(made) == 1
    received += b"".join(pieces)
    with zipfile.ZipFile(io.BytesIO(received)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["detected_a.jpg", "detected_b.jpg", "detected_c.jpg"]
        assert not any(info.flag_bits & 8 for info in archive.infolist())  # Every size is before its file.
    answer.close()
    assert service.app.extensions["thread_slots"].exports.acquire()
