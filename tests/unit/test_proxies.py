"""What proxies say is believed as the settings say, and the service answers only under names that it has."""

import socket

import pytest

from app.config.settings import Settings, SettingsError
from app.web.common.proxies import is_known
from tests.unit.api_service import json_of, running

FORGED = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Port": "666"}


def test_a_proxy_is_believed_about_no_more_than_client_and_scheme(settings: Settings) -> None:
    for service in running(settings, trusted_proxies=1):
        for path in ("/", "/nothing", "/api/v1/models", "/docs/"):
            response = service.client.get(path, headers=FORGED)
            for forged in ("evil", "666"):
                assert forged not in response.text + response.headers.get("Location", "")


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "/a//evil.example", "evil", "/a b", "/a?b", "/\\\\evil", "/a, //evil"]
)
def test_a_prefix_that_is_no_path_is_not_believed(settings: Settings, prefix: str) -> None:
    for service in running(settings, trusted_proxies=1, trusted_headers="prefix"):
        page = service.client.get("/runs", headers={"X-Forwarded-Prefix": prefix}).text
        assert 'href="/static/' in page
        assert prefix.split(",")[-1].strip() not in page


def test_a_path_is_believed_where_it_is_asked_for(settings: Settings) -> None:
    for service in running(settings, trusted_proxies=1, trusted_headers="prefix"):
        for prefix in ("/photos", "", "/photos"):  # Addresses are kept from one request to the next.
            page = service.client.get("/", headers={"X-Forwarded-Prefix": prefix}).text
            assert f'href="{prefix}/static/' in page
            assert f'href="{prefix}/runs"' in page


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "evil.example:5000", "photos.example.evil"]
)
def test_a_name_that_nobody_gave_it_is_refused_but_for_health(settings: Settings, host: str) -> None:
    for service in running(settings, public_url="https://photos.example"):
        response = service.client.get("/api/v1/runs", headers={"Host": host})
        assert (response.status_code, json_of(response)["code"]) == (421, "unknown-host")
        assert "ALLOWED_HOSTS" in response.text
        assert "Set-Cookie" not in response.headers
        assert service.client.get("/runs", headers={"Host": host}).status_code == 421
        assert service.client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:5000", "localhost.", "app.localhost", "127.0.0.1:5000", "192.168.1.5", "[::1]:5000"),
        *("photos.example", "photos.example:8443", "cats.example.org", "a.b.example.org", "box.lan", "Box.LAN:80"),
        *(socket.gethostname(), f"{socket.gethostname()}.local:5000"),
    ],
)
def test_its_own_names_and_those_of_the_settings_are_known(host: str) -> None:
    assert is_known(host, Settings(public_url="https://photos.example", allowed_hosts="Box.lan, .example.org"))


def test_a_star_allows_every_name() -> None:
    assert is_known("anything.example", Settings(allowed_hosts="*"))
    assert not is_known("example.org", Settings(allowed_hosts=".example.org"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALLOWED_HOSTS", "https://a.example"), ("ALLOWED_HOSTS", "a.example:80"), ("TRUSTED_HEADERS", "for,server")],
)
def test_what_is_no_name_ends_the_start(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value})
