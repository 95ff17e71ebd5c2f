"""Headers, tokens, the visitor's cookie and proxies."""

import io
import re
from pathlib import Path

import pytest
from flask import Flask, request, session
from itsdangerous import TimestampSigner

from app.config.settings import ROOT, Settings
from app.web.common.proxies import trust_proxies
from app.web.common.security import is_owner, visitor
from tests.unit.api_service import PHOTO, Service, running
from tests.unit.visitor import Visitor


def directives(policy: str) -> dict[str, list[str]]:
    parts = [part.split() for part in policy.split(";")]
    return {name: values for name, *values in parts}


@pytest.mark.parametrize("address", ["/", "/runs", "/nothing", "/static/css/base.css", "/healthz"])
def test_every_answer_carries_the_headers(service: Service, address: str) -> None:
    headers = service.client.get(address).headers
    policy = directives(headers["Content-Security-Policy"])
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_what_belongs_to_a_visitor_is_never_taken_from_a_shared_cache(settings: Settings) -> None:
    for service in running(settings, admin_key="the key of the admin"):
        person = Visitor(service)
        address = person.run()
        id = address.rpartition("/")[2]
        answers = [person.get(path) for path in ("/", "/runs", address, f"/api/v1/runs/{id}", "/api/v1/runs")]
        answers.append(person.client.post("/log", headers={"Authorization": "Bearer the key of the admin"}))
        for answer in answers:
            assert answer.status_code == 200
            assert {"private", "no-store"} & set(answer.headers["Cache-Control"].split(", "))


def test_no_template_has_an_inline_script_or_style() -> None:
    for template in Path(ROOT, "app/templates").rglob("*.html"):
        text = template.read_text()
        assert "style=" not in text, template
        assert "<style" not in text, template
        assert "<script>" not in text, template
        assert not any(f" {handler}=" in text for handler in ("onclick", "onload", "onsubmit", "onchange")), template


def cookie_name(visitor: Visitor) -> str:
    return str(visitor.service.app.config["SESSION_COOKIE_NAME"])


def cookie_value(visitor: Visitor, path: str = "/") -> str:
    cookie = visitor.client.get_cookie(cookie_name(visitor), path=path)
    assert cookie is not None
    return cookie.value


def test_a_form_without_its_token_is_refused_in_plain_words(service: Service) -> None:
    answer = service.client.post("/", data={"sample": "coffee.jpg"})
    assert answer.status_code == 400
    assert "Reload it" in answer.text
    assert service.services.jobs.waiting() == []


@pytest.mark.parametrize(
    "proxy",
    [
        {"X-Forwarded-Proto": "https"},
        {"X-Forwarded-Proto": "https", "Host": "photos.example:8443", "Referer": "https://photos.example:8443/"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "photos.example", "Referer": "https://photos.example:8443/"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "8443", "Referer": "https://photos.example/"},
        {"X-Forwarded-Proto": "https", "Host": "photos.example", "Origin": "https://photos.example:8443"},
    ],
)
@pytest.mark.parametrize("secure", [False, True])
def test_behind_a_proxy_with_https_a_valid_token_is_enough(
    settings: Settings, proxy: dict[str, str], secure: bool
) -> None:
    for service in running(
        settings,
        trusted_proxies=1,
        trusted_headers="for,proto,host,port",
        allowed_hosts="photos.example",
        cookie_secure=secure,
    ):
        browser = service.app.test_client(use_cookies=False)
        page = browser.get("/", headers=proxy)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token
        headers = {**proxy, "Cookie": page.headers["Set-Cookie"].split(";")[0]}
        form = {"csrf_token": token[1], "photo": (io.BytesIO(PHOTO), "a.jpg")}
        answer = browser.post("/", data=form, headers=headers)
        assert answer.status_code == 303
        assert "Set-Cookie" in answer.headers  # The visitor owns the run.
        assert browser.post("/", data={"sample": "coffee.jpg"}, headers=headers).status_code == 400


def test_where_cookies_need_https_a_form_over_http_says_so(settings: Settings) -> None:
    for service in running(settings, cookie_secure=True):
        person = Visitor(service)
        token = person.token()
        person.client.delete_cookie(f"__Host-{cookie_name(person)}")  # A browser keeps no such cookie over HTTP.
        answer = person.client.post("/", data={"sample": "coffee.jpg", "csrf_token": token})
        assert answer.status_code == 400
        assert "by its https address" in answer.text


def test_another_visitors_token_is_refused(service: Service) -> None:
    one, other = Visitor(service), Visitor(service)
    other.get("/")
    answer = other.client.post("/", data={"sample": "coffee.jpg", "csrf_token": one.token()})
    assert answer.status_code == 400


def test_a_visitor_stays_the_same_and_differs_from_others(service: Service) -> None:
    service.app.add_url_rule("/me", "me", visitor)
    one, other = Visitor(service), Visitor(service)
    assert one.get("/me").text == one.get("/me").text
    assert one.get("/me").text != other.get("/me").text
    assert len(one.get("/me").text) == len("v:") + 22


def test_a_forged_cookie_is_another_visitor(service: Service) -> None:
    service.app.add_url_rule("/me", "me", visitor)
    person = Visitor(service)
    me = person.get("/me").text
    person.client.set_cookie(cookie_name(person), cookie_value(person)[:-3] + "AAA")
    assert person.get("/me").text != me


def test_instances_on_one_host_do_not_end_each_others_sessions(settings: Settings) -> None:
    one, other = (Service(settings, secret_key=key, data_dir=f"{settings.data_dir}/{key}") for key in "ab")
    browser = Visitor(one)
    for service in (one, other):
        service.app.add_url_rule("/me", "me", visitor)
    me = browser.get("/me").text
    foreign = Visitor(other)
    foreign.get("/me")
    browser.client.set_cookie(cookie_name(foreign), cookie_value(foreign))
    assert cookie_name(browser) != cookie_name(foreign)
    assert browser.get("/me").text == me
    one.close()
    other.close()


def test_under_a_path_the_cookie_stays_on_that_path(settings: Settings) -> None:
    for service in running(settings, trusted_proxies=1, trusted_headers="prefix"):
        assert "Path=/;" in service.app.test_client().get("/runs").headers["Set-Cookie"]
        set_cookie = service.client.get("/runs", headers={"X-Forwarded-Prefix": "/photos"}).headers["Set-Cookie"]
        assert "Path=/photos;" in set_cookie


def test_a_visitor_of_the_first_release_stays_the_same(service: Service) -> None:
    service.app.add_url_rule("/me", "me", visitor)
    person = Visitor(service)
    me, value = person.get("/me").text, cookie_value(person)
    upgraded = Visitor(service)
    upgraded.client.set_cookie("visitor", value)
    assert upgraded.get("/me").text == me
    upgraded.client.delete_cookie("visitor")
    assert upgraded.get("/me").text == me


def test_a_session_outlasts_a_clock_that_was_set_back_but_not_its_year(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.app.add_url_rule("/me", "me", visitor)
    person = Visitor(service)
    now = TimestampSigner("any").get_timestamp()
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now + 3600)
    me = person.get("/me").text
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now)
    assert person.get("/me").text == me
    token = person.token()
    assert person.client.post("/", data={"sample": "coffee.jpg", "csrf_token": token}).status_code == 303
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: now + 3600 + 366 * 86_400)
    assert person.get("/me").text != me


def test_the_cookie_is_hidden_from_scripts_and_other_sites(service: Service) -> None:
    cookie = Visitor(service).get("/runs").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_cookie_secure_sends_it_over_https_only(settings: Settings) -> None:
    for service in running(settings, cookie_secure=True, public_url="https://photos.example"):
        answer = Visitor(service).get("/runs", base_url="https://photos.example")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_looking_whose_a_run_is_makes_nobody_a_visitor(service: Service) -> None:
    with service.app.test_request_context():
        assert not is_owner("v:someone")
        assert not session


def app_that_says_who_asks(proxies: int) -> Flask:
    app = Flask(__name__)
    trust_proxies(app, proxies, ["for", "proto", "host"])
    app.add_url_rule("/", "who", lambda: f"{request.remote_addr} {request.scheme} {request.host}")
    return app


FORWARDED = {"X-Forwarded-For": "6.6.6.6, 1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "photos.example"}


def test_forwarded_headers_count_for_nothing_without_proxies() -> None:
    text = app_that_says_who_asks(0).test_client().get("/", headers=FORWARDED).text
    assert text == "127.0.0.1 http localhost"


def test_only_the_trusted_proxys_word_counts() -> None:
    text = app_that_says_who_asks(1).test_client().get("/", headers=FORWARDED).text
    assert text == "1.2.3.4 https photos.example"


def test_a_body_that_does_not_say_its_length_is_refused(service: Service) -> None:
    form = {"photo": (io.BytesIO(PHOTO), "a.jpg")}
    answer = service.client.post("/", headers={"Transfer-Encoding": "chunked"}, data=form)
    assert answer.status_code == 411
    assert "Content-Length" in answer.text
