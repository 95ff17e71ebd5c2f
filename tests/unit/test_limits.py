"""Rate limits and CORS."""

import io
import zipfile
from collections.abc import Iterator

import pytest
from redis.exceptions import ConnectionError as RedisGone
from werkzeug.test import TestResponse

from app.config.settings import Settings
from tests.unit import api_service
from tests.unit.api_service import Service, json_of
from tests.unit.photos import jpeg
from tests.unit.visitor import Visitor


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from api_service.running(settings, rate_limit="3/hour")


def remaining(response: TestResponse) -> int:
    """Requests left, by the RateLimit header."""
    return int(response.headers["RateLimit"].split(";")[1].removeprefix("r="))


def test_the_headers_tell_the_limit_and_what_is_left(service: Service) -> None:
    answer = service.client.get("/api/v1/models")
    assert answer.headers["RateLimit-Policy"] == '"default";q=3;w=3600'
    name, left, reset = answer.headers["RateLimit"].split(";")
    assert (name, left) == ('"default"', "r=2")
    assert 0 < int(reset.removeprefix("t=")) <= 3601
    assert "Retry-After" not in answer.headers


def test_one_request_too_many_is_429_and_says_when_to_come_back(service: Service) -> None:
    for _ in range(3):
        assert service.client.get("/api/v1/models").status_code == 200
    answer = service.client.get("/api/v1/models")
    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["RateLimit"].split(";")[1] == "r=0"


def test_the_classic_apis_share_the_limit_and_refuse_in_their_own_shape(service: Service) -> None:
    for _ in range(3):
        service.client.get("/api/v1/models")
    answer = service.client.post("/classify", data=b"x")
    assert (answer.status_code, set(json_of(answer))) == (429, {"error"})
    assert "Retry-After" in answer.headers


def test_pages_and_documentation_are_not_counted(service: Service) -> None:
    for _ in range(5):
        assert service.client.get("/api/v1/openapi.json").status_code == 200
        assert "RateLimit" not in service.client.get("/").headers


def test_each_key_and_each_address_is_counted_for_itself(service: Service) -> None:
    keys = [service.services.store.keys.create(name)[1] for name in "ab"]
    callers = [{"headers": {"Authorization": f"Bearer {key}"}} for key in keys]
    addresses = [{"environ_overrides": {"REMOTE_ADDR": address}} for address in ("10.0.0.1", "10.0.0.2")]
    for caller in [*callers, *addresses]:
        answer = service.client.get("/api/v1/models", **caller)  # type: ignore[arg-type]
        assert remaining(answer) == 2


def test_guessing_keys_is_counted_by_address(service: Service) -> None:
    statuses = [
        service.client.get("/api/v1/models", headers={"Authorization": f"Bearer fd_{n}"}).status_code for n in range(4)
    ]
    assert statuses == [401, 401, 401, 429]


def test_without_a_limit_nothing_is_counted(settings: Settings) -> None:
    free = Service(settings, rate_limit="")
    assert "RateLimit" not in free.client.get("/api/v1/models").headers
    free.close()


def test_counts_are_kept_in_redis_and_shared_by_processes(settings: Settings, clean_redis_url: str) -> None:
    one, other = (Service(settings, rate_limit="3/hour", redis_url=clean_redis_url, own_redis=False) for _ in range(2))
    assert [remaining(s.client.get("/api/v1/models")) for s in (one, other, one)] == [2, 1, 0]
    one.close()
    other.close()


def test_with_redis_away_each_process_counts_for_itself(
    settings: Settings, clean_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(settings, rate_limit="3/hour", redis_url=clean_redis_url, own_redis=False)

    def gone(*_: object, **__: object) -> None:
        raise RedisGone

    monkeypatch.setattr(service.services.jobs.redis.connection_pool, "get_connection", gone)
    answers = [service.client.get("/api/v1/runs") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    service.close()


def test_no_other_origin_is_let_in_by_default(service: Service) -> None:
    answer = service.client.get("/api/v1/models", headers={"Origin": "https://a.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_named_origins_are_let_in_to_the_api_alone(settings: Settings) -> None:
    open_ = Service(settings, cors_origins="https://a.example, https://b.example")
    preflight = {"Origin": "https://b.example", "Access-Control-Request-Method": "DELETE"}
    wanted = {**preflight, "Access-Control-Request-Headers": "authorization,idempotency-key"}
    answer = open_.client.options("/api/v1/runs/x", headers=wanted)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in answer.headers
    stranger = open_.client.get("/api/v1/models", headers={"Origin": "https://c.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers
    page = open_.client.get("/", headers={"Origin": "https://a.example"})
    assert "Access-Control-Allow-Origin" not in page.headers
    exposed = open_.client.get("/api/v1/models", headers={"Origin": "https://a.example"})
    assert "Location" in exposed.headers["Access-Control-Expose-Headers"]
    open_.close()


def photos(count: int) -> list[tuple[io.BytesIO, str]]:
    return [(io.BytesIO(jpeg(64 + n)), f"{n}.jpg") for n in range(count)]


def zipped(count: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for data, name in photos(count):
            archive.writestr(name, data.getvalue())
    return file.getvalue()


def test_each_photo_of_a_batch_is_counted(service: Service) -> None:
    answer = service.client.post("/api/v1/runs", data={"file": photos(5)})
    batch = json_of(answer)
    assert (answer.status_code, remaining(answer), len(batch["runs"])) == (202, 0, 3)
    assert [file["name"] for file in batch["refused"]] == ["3.jpg", "4.jpg"]
    assert "Too many" in batch["refused"][0]["message"]
    assert service.client.get("/api/v1/models").status_code == 429


def test_each_photo_of_a_zip_that_a_page_sends_is_counted(service: Service) -> None:
    visitor = Visitor(service)
    assert visitor.send((zipped(5), "photos.zip")).status_code == 303
    refused = visitor.send((jpeg(99), "more.jpg"))
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert service.client.get("/api/v1/models").status_code == 429


def test_a_batch_of_which_nothing_may_be_sent_now_is_refused_whole(service: Service) -> None:
    visitor = Visitor(service)
    visitor.send((zipped(3), "photos.zip"))
    assert visitor.send((zipped(3), "photos.zip")).status_code == 429


def test_pages_are_counted_by_the_network_of_an_address(service: Service) -> None:
    statuses = []
    for n in range(4):
        visitor = Visitor(service)
        visitor.client.environ_base["REMOTE_ADDR"] = f"2001:db8:1:2::{n}"
        statuses.append(visitor.send((jpeg(64 + n), "a.jpg")).status_code)
    assert statuses == [303, 303, 303, 429]
