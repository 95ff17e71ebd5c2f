"""Keys cannot be guessed at leisure, and one network counts as one client."""

from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from app.system.addresses import network_of
from tests.unit.api_service import Service, running

KEY = "the key of the admin"


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, admin_key=KEY, rate_limit="1000/minute")


def log(service: Service, key: str, address: str = "203.0.113.7") -> int:
    response = service.client.post(
        "/log", headers={"Authorization": f"Bearer {key}"}, environ_overrides={"REMOTE_ADDR": address}
    )
    if response.status_code == 429:
        assert int(response.headers["Retry-After"]) > 0
    return response.status_code


def test_after_some_wrong_keys_none_is_looked_at_from_that_address(service: Service) -> None:
    assert [log(service, "wrong") for _ in range(10)] == [403] * 10
    assert log(service, "wrong") == 429
    assert log(service, KEY) == 429
    assert log(service, KEY, "203.0.113.8") == 200


def test_right_keys_are_not_counted(service: Service) -> None:
    assert [log(service, KEY) for _ in range(20)] == [200] * 20


def test_wrong_api_keys_are_counted_with_them(service: Service) -> None:
    wrong = {"headers": {"Authorization": "Bearer fd_wrong"}, "environ_overrides": {"REMOTE_ADDR": "203.0.113.9"}}
    answers = [service.client.get("/api/v1/models", **wrong).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]
    right = service.services.store.keys.create("mine")[1]
    wrong["headers"] = {"Authorization": f"Bearer {right}"}
    assert service.client.get("/api/v1/models", **wrong).status_code == 200


def test_changing_the_address_within_an_ipv6_network_helps_nobody(service: Service) -> None:
    answers = [log(service, "wrong", f"2001:db8:1:2::{n:x}") for n in range(11)]
    assert answers == [403] * 10 + [429]
    assert log(service, KEY, "2001:db8:1:3::1") == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("not an address", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_network_is_an_ipv4_address_or_what_an_ipv6_connection_owns(address: str | None, network: str) -> None:
    assert network_of(address) == network
