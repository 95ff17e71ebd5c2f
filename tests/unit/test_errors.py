"""Every error is a page with one sentence and the next step, or JSON; nothing unexpected shows."""

import errno

import pytest
from flask import jsonify
from redis.exceptions import ConnectionError

from app.errors import PublicError, QueueFull
from app.store.errors import StoreUnavailable
from app.web.common import errors
from tests.unit.api_service import Service, json_of


def fail(service: Service, error: Exception, path: str = "/fail") -> None:
    """An address that fails with an error."""

    def view() -> str:
        raise error

    service.app.add_url_rule(path, path, view)


def test_a_public_error_is_a_page_with_its_sentence_and_a_next_step(service: Service) -> None:
    fail(service, QueueFull(headers={"Retry-After": "7"}))
    answer = service.client.get("/fail")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.mimetype == "text/html"
    assert QueueFull.message in answer.text
    assert "Choose another photo" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_program_gets_the_same_error_as_json(service: Service) -> None:
    fail(service, QueueFull())
    answer = service.client.get("/fail", headers={"Accept": "application/json"})
    assert answer.status_code == 503
    id = answer.headers["X-Request-ID"]
    assert answer.json == {"error": QueueFull.message, "code": "queue-full", "status": 503, "request_id": id}


ADDRESSES = ["/docs", "/runs", "/draw", "/board", "/upload", "/healthz", "/api/v1/models", "/api/v1/runs"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_slash_at_the_end_of_an_address_changes_nothing(service: Service, address: str) -> None:
    assert service.client.get(address).status_code == service.client.get(f"{address}/").status_code == 200
    assert service.client.get(f"/nothing{address}/").status_code == 404


def test_an_address_for_scripts_fails_as_json_with_a_slash_too(service: Service) -> None:
    assert service.client.get("/runs/nothing/status/").is_json


def test_an_unexpected_error_shows_no_details(service: Service) -> None:
    fail(service, ZeroDivisionError("secret detail in /etc/passwd"))
    answer = service.client.get("/fail")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert errors.MESSAGES[500] in answer.text


def test_another_error_of_the_system_is_unexpected(service: Service) -> None:
    fail(service, OSError(errno.EIO, "Input/output error"))
    assert service.client.get("/fail").status_code == 500


def test_an_error_page_shows_even_when_redis_is_away(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("no")

    monkeypatch.setattr(service.services.jobs, "status", away)
    answer = service.client.get("/nothing")
    assert answer.status_code == 404
    assert "Not available right now" in answer.text


def test_redis_away_is_503_with_a_time_to_come_back(service: Service) -> None:
    fail(service, ConnectionError("127.0.0.1:6379 refused"))
    answer = service.client.get("/fail")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "6379" not in answer.text


@pytest.mark.parametrize("path", ["/fail", "/api/v1/fail", "/image/fail"])
def test_a_store_that_does_not_answer_is_503_and_only_the_log_says_why(
    service: Service, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    fail(service, StoreUnavailable("The folder /data cannot be used: the disk is full."), path)
    answer = service.client.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "/data" not in answer.text
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("ERROR", "The folder /data cannot be used: the disk is full.")


def test_an_error_that_visitors_see_is_not_logged(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    fail(service, QueueFull())
    service.client.get("/fail")
    assert caplog.records == []


def test_an_unknown_address_says_that_it_may_have_expired(service: Service) -> None:
    answer = service.client.get("/runs/AAAAAAAAAAAAAAAAAAAAAA")
    assert answer.status_code == 404
    assert "expired" in answer.text


def test_a_wrong_method_names_the_allowed_ones(service: Service) -> None:
    answer = service.client.put("/healthz")
    assert answer.status_code in (400, 405)
    answer = service.client.delete("/runs")
    assert "Back to the start" in answer.text


def test_status_addresses_answer_json_whatever_is_accepted(service: Service) -> None:
    answer = service.client.get("/runs/AAAAAAAAAAAAAAAAAAAAAA/status", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.is_json


def test_a_room_may_give_errors_under_its_addresses_another_shape(service: Service) -> None:
    def shout(error: PublicError) -> tuple[object, int]:
        return jsonify(problem=error.message.upper()), error.status

    errors.register_format(service.app, "/shouting/", shout)
    answer = service.client.get("/shouting/nothing")
    assert answer.status_code == 404
    assert json_of(answer)["problem"].isupper()
    assert service.client.get("/nothing").mimetype == "text/html"
