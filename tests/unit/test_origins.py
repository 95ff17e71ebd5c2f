"""A page of another site can neither change anything in a visitor's name nor replace the visitor's cookie."""

import io
from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from tests.unit.api_service import PHOTO, Service, json_of, running
from tests.unit.visitor import Visitor

# What browsers send for a page of another site, of another port of the same host, and of a sandboxed frame.
ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8000"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:8000"},
    {"Origin": "null"},
    {"Origin": "http://localhost:99999"},
]
HERE = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://localhost"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost"},
    {"Origin": "https://localhost"},
]
DOORS = ["/api/v1/runs", "/api/v1/drawings", "/image", "/classify", "/do_data_science", "/predict"]


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, cors_origins="https://friend.example")


@pytest.mark.parametrize("headers", ELSEWHERE)
@pytest.mark.parametrize("address", DOORS)
def test_a_page_of_another_site_changes_nothing(service: Service, address: str, headers: dict[str, str]) -> None:
    form = {"file": (io.BytesIO(PHOTO), "a.jpg"), "image": (io.BytesIO(PHOTO), "a.jpg")}
    answer = service.client.post(address, data=form, headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert service.services.jobs.waiting() == []


@pytest.mark.parametrize("headers", HERE)
def test_programs_and_the_services_own_pages_may(service: Service, headers: dict[str, str]) -> None:
    assert service.client.post("/api/v1/runs", data=PHOTO, headers=headers).status_code == 202


def test_a_page_of_a_named_origin_may_but_gets_no_cookie(service: Service) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.example"}
    answer = service.client.post("/api/v1/runs", data=PHOTO, headers=headers)
    assert answer.status_code == 202
    assert "Set-Cookie" not in answer.headers


def test_a_visitor_keeps_the_history_whatever_another_site_sends(service: Service) -> None:
    person = Visitor(service)
    person.run()
    for address in (*DOORS, "/", "/runs/x/delete"):
        for headers in ELSEWHERE:
            answer = person.client.post(address, data={"sample": "coffee.jpg"}, headers=headers)
            assert "Set-Cookie" not in answer.headers
    assert "street.jpg" in person.get("/runs").text


def test_the_address_that_people_use_is_ours_behind_a_proxy_that_hides_it(settings: Settings) -> None:
    for service in running(settings, public_url="https://photos.example/detector"):
        sent = {"Origin": "https://photos.example"}
        assert service.client.post("/api/v1/runs", data=PHOTO, headers=sent).status_code == 202
        sent = {"Origin": "https://photos.example:8443"}
        assert service.client.post("/api/v1/runs", data=PHOTO, headers=sent).status_code == 403


def test_reading_is_left_to_the_browsers_own_rules(service: Service) -> None:
    assert service.client.get("/api/v1/models", headers=ELSEWHERE[0]).status_code == 200


def test_a_cookie_made_over_https_can_be_set_by_this_host_over_https_alone(settings: Settings) -> None:
    for service in running(settings, trusted_proxies=1, trusted_headers="prefix", allowed_hosts=".example"):
        person = Visitor(service)
        cookie = person.get("/runs", base_url="https://photos.example").headers["Set-Cookie"]
        assert cookie.startswith("__Host-visitor_")
        assert "Secure;" in cookie
        assert "Domain" not in cookie
        under = {"base_url": "https://photos.example", "headers": {"X-Forwarded-Prefix": "/photos"}}
        assert person.get("/runs", **under).headers["Set-Cookie"].startswith("__Secure-visitor_")
        assert json_of(person.get("/healthz"))
