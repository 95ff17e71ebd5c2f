"""API keys: made, listed and revoked by a command; what they open and to whom runs belong."""

from collections.abc import Iterator
from unittest.mock import Mock

import pytest

from app.config.settings import Settings
from app.store.errors import StoreUnavailable
from app.store.keys import ApiKeys
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service, json_of


@pytest.fixture
def locked(settings: Settings) -> Iterator[Service]:
    """A service that answers nobody without a key."""
    yield from api_service.running(settings, api_keys_required=True)


def run_command(service: Service, *args: str) -> str:
    result = service.app.test_cli_runner().invoke(args=["keys", *args])
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def with_key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_the_command_makes_a_key_whose_secret_is_not_stored(service: Service) -> None:
    secret = run_command(service, "create", "a camera").strip()
    (key,) = service.services.store.keys.all()
    assert key.name == "a camera"
    assert secret not in (key.id, key.hash)
    assert service.client.get("/api/v1/runs", headers=with_key(secret)).status_code == 200


def test_the_command_lists_keys_and_revokes_them(service: Service) -> None:
    assert "no API keys" in run_command(service, "list")
    secret = run_command(service, "create", "a camera").strip()
    (key,) = service.services.store.keys.all()
    assert "valid" in run_command(service, "list")
    run_command(service, "revoke", key.id)
    listed = run_command(service, "list")
    assert "revoked" in listed
    assert "a camera" in listed
    assert secret not in listed
    assert service.client.get("/api/v1/runs", headers=with_key(secret)).status_code == 401


def test_revoking_a_key_that_does_not_exist_says_so(service: Service) -> None:
    result = service.app.test_cli_runner().invoke(args=["keys", "revoke", "nothing"])
    assert result.exit_code == 1
    assert "no such API key" in result.output


@pytest.mark.parametrize("args", [("create", "a camera"), ("list",), ("revoke", "x")])
def test_an_unavailable_store_is_reported_to_the_administrator(
    service: Service, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    away = Mock(side_effect=StoreUnavailable("The database x cannot be used right now: start it."))
    monkeypatch.setattr(ApiKeys, {"list": "all"}.get(args[0], args[0]), away)
    result = service.app.test_cli_runner().invoke(args=["keys", *args])
    assert (result.exit_code, result.output) == (1, "Error: The database x cannot be used right now: start it.\n")


def test_the_runs_of_a_key_are_its_own(service: Service) -> None:
    mine, theirs = (service.services.store.keys.create(name)[1] for name in ("mine", "theirs"))
    id = json_of(service.client.post("/api/v1/runs", data=PHOTO, headers=with_key(mine)))["id"]
    visitor = service.app.test_client()
    assert [r["id"] for r in json_of(visitor.get("/api/v1/runs", headers=with_key(mine)))["runs"]] == [id]
    for headers in (with_key(theirs), {}):
        assert json_of(visitor.get("/api/v1/runs", headers=headers))["runs"] == []
        assert visitor.delete(f"/api/v1/runs/{id}", headers=headers).status_code == 403
    assert visitor.delete(f"/api/v1/runs/{id}", headers=with_key(mine)).status_code == 204


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic dTpw", "Bearer fd_ü"])
def test_an_invalid_key_is_401_even_where_none_is_needed(service: Service, header: str) -> None:
    answer = service.client.get("/api/v1/models", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_where_keys_are_required_no_api_answers_without_one(locked: Service) -> None:
    assert locked.client.get("/api/v1/models").status_code == 401
    assert locked.client.post("/classify", data=PHOTO).status_code == 401
    assert locked.client.post("/image", json={}).status_code == 401
    assert locked.client.post("/do_data_science").status_code == 401
    secret = locked.services.store.keys.create("mine")[1]
    assert locked.client.get("/api/v1/models", headers=with_key(secret)).status_code == 200
    assert locked.client.post("/image", json={}, headers=with_key(secret)).status_code == 400


def test_where_keys_are_required_pages_and_documentation_stay_open(locked: Service) -> None:
    for path in ("/", "/docs", "/board", "/upload", "/api/v1/openapi.json"):
        assert locked.client.get(path).status_code == 200
    spec = json_of(locked.client.get("/api/v1/openapi.json"))
    assert spec["security"] == [{"key": []}]
