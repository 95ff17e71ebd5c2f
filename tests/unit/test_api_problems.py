"""The contract of errors: problem details of one shape, whatever goes wrong, on every route."""

import base64
import io
import re
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisGone
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.errors import PublicError
from app.web.api.blueprint import PREFIX
from app.web.api.problems import error_classes
from app.web.api.schemas import Problem
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service, json_of

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "errors", "request_id"}
FOR_ADMINISTRATORS = tuple(f"{PREFIX}/{name}" for name in ("datasets", "trainings", "versions"))
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


service = api_service.module_service


def routes(service: Service) -> list[Rule]:
    return [rule for rule in service.app.url_map.iter_rules() if rule.rule.startswith(PREFIX)]


def expect(answer: TestResponse, status: int) -> dict[str, Any]:
    """The problem that an answer must be."""
    assert answer.status_code == status, answer.data
    assert answer.mimetype == "application/problem+json"
    body = dict(json_of(answer))
    assert set(body) == MEMBERS
    Problem.model_validate(body)
    assert (body["status"], body["instance"]) == (status, answer.request.path)
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert body["detail"].endswith((".", "`."))
    return body


def address(rule: Rule) -> str:
    return re.sub("<[a-z_]+>", "nobody", rule.rule)


def test_every_route_answers_a_wrong_method_with_a_problem_that_names_the_right_ones(service: Service) -> None:
    by_address: dict[str, set[str]] = {}
    for rule in routes(service):
        by_address.setdefault(rule.rule, set()).update(rule.methods or ())
    assert len(by_address) >= 9
    for path, allowed in by_address.items():
        for method in METHODS:
            if method not in allowed:
                answer = service.client.open(re.sub("<[a-z_]+>", "nobody", path), method=method)
                expect(answer, 405)
                assert set(answer.headers["Allow"].split(", ")) == allowed


def test_every_route_answers_an_unknown_id_with_404(service: Service) -> None:
    found = 0
    for rule in routes(service):
        for method in {"GET", "POST", "DELETE"} & (rule.methods or set()):
            if rule.arguments and not rule.rule.startswith(FOR_ADMINISTRATORS):
                query = "?format=coco" if rule.rule.endswith("export") else ""
                expect(service.client.open(address(rule) + query, method=method), 404)
                found += 1
    assert found == 8


def test_every_route_answers_a_misspelt_parameter_with_422_where_it_has_parameters(service: Service) -> None:
    id = service.know(PHOTO).id
    for path in ("/runs", f"/runs/{id}", f"/runs/{id}/image", f"/runs/{id}/export?format=coco"):
        joint = "&" if "?" in path else "?"
        body = expect(service.client.get(f"{PREFIX}{path}{joint}tresholt=1"), 422)
        assert body["errors"][0]["loc"] == ["tresholt"]


def test_every_route_answers_an_invalid_key_with_401(service: Service) -> None:
    for number, rule in enumerate(routes(service)):
        if rule.endpoint.startswith("api."):
            # From an address of its own for each route, where no wrong key has been counted yet.
            client = {"environ_overrides": {"REMOTE_ADDR": f"203.0.113.{number}"}}
            for method in {"GET", "POST", "DELETE"} & (rule.methods or set()):
                headers = {"Authorization": "Bearer fd_no"}
                answer = service.client.open(address(rule), method=method, headers=headers, **client)
                expect(answer, 401)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_every_route_answers_a_dead_database_with_503(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.store.errors import StoreUnavailable

    def gone(*_: object, **__: object) -> None:
        raise StoreUnavailable("The database does not answer.")

    for method in ("get_run", "get_batch", "history", "add_run"):
        monkeypatch.setattr(service.services.store, method, gone)
    for path in ("/runs", "/runs/x", "/runs/x/image", "/runs/x/export?format=coco", "/runs/x/events", "/batches/x"):
        expect(service.client.get(f"{PREFIX}{path}"), 503)
    expect(service.post(PHOTO), 503)


def test_a_dead_redis_is_503_with_retry_after(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise RedisGone

    monkeypatch.setattr(service.services.jobs, "status", gone)
    answer = service.client.get(f"{PREFIX}/models")
    assert expect(answer, 503)["code"] == "unavailable"
    assert "Retry-After" in answer.headers


def test_an_unexpected_error_is_500_without_details(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(service.services.jobs, "status", broken)
    assert "secret" not in str(expect(service.client.get(f"{PREFIX}/models"), 500))


def test_an_unknown_address_is_404_in_the_same_shape(service: Service) -> None:
    expect(service.client.get(f"{PREFIX}/nothing/here"), 404)


def test_a_body_without_a_length_is_411_and_one_cut_short_400(service: Service) -> None:
    chunked = {"wsgi.input": io.BytesIO(PHOTO), "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = service.client.post(f"{PREFIX}/runs", content_type="image/jpeg", environ_overrides=chunked)
    expect(answer, 411)
    short = {"wsgi.input": io.BytesIO(PHOTO[:100]), "CONTENT_LENGTH": str(len(PHOTO))}
    answer = service.client.post(f"{PREFIX}/runs", content_type="image/jpeg", environ_overrides=short)
    assert expect(answer, 400)["code"] == "upload-cut-short"


def test_a_validation_error_names_each_wrong_value(service: Service) -> None:
    body = expect(service.post(PHOTO, "?threshold=7&masks=circle"), 422)
    assert [error["loc"] for error in body["errors"]] == [["threshold"], ["masks"]]


@pytest.mark.parametrize("member", ["classes", "analyses"])
@pytest.mark.parametrize("text", ["a\x00b", "\ud83d"], ids=["NUL", "half of a surrogate pair"])
def test_a_name_that_no_database_takes_is_refused(service: Service, member: str, text: str) -> None:
    image = base64.b64encode(PHOTO).decode()
    for value in (text, ["car", text]):
        answer = service.client.post(f"{PREFIX}/runs", json={"image": image, member: value})
        assert expect(answer, 422)["errors"][0]["loc"][0] == member


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 9_000, b'{"a":' * 9_000, b"1" * 10_000], ids=["cut short", "lists", "objects", "number"]
)
def test_json_that_cannot_be_read_is_a_bad_request(service: Service, body: bytes) -> None:
    expect(service.client.post(f"{PREFIX}/runs", data=body, content_type="application/json"), 400)


def test_a_nul_in_a_form_or_in_the_address_is_refused_too(service: Service) -> None:
    form = {"file": (io.BytesIO(PHOTO), "a.jpg"), "classes": "a\x00b"}
    expect(service.client.post(f"{PREFIX}/runs", data=form), 422)
    expect(service.post(PHOTO, "?classes=a%00b"), 422)


def test_every_kind_of_problem_has_a_code_of_its_own_and_a_place_in_the_documentation(service: Service) -> None:
    page = service.client.get("/docs").text
    assert error_classes()
    for kind in error_classes():
        assert issubclass(kind, PublicError)
        assert f'id="problem-{kind.code}"' in page
