"""The operator opens places besides the public web: exactly those, checked each time, for photos and webhooks apart."""

import base64
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.networks import parse
from app.config.settings import Settings, SettingsError
from app.errors import AddressRefused
from app.intake.address import Guard, photo_guard, webhook_guard
from app.intake.fetch import fetch_photo
from app.queue.services import Services
from app.worker.webhooks import deliver_due
from tests import made
from tests.deliveries import deliveries_of
from tests.http_server import Seen, reply, serving
from tests.unit.api_service import PHOTO, Service, json_of
from tests.unit.test_fetch_address import PRIVATE, SPELLINGS, TRICKS

HERE = "127.0.0.1"
EVERYTHING = "0.0.0.0/0, ::/0"


def lan(entries: str, resolve: Callable[[str, int], list[str]] | None = None) -> Guard:
    """The guard of a service whose operator opened these places for photos."""
    guard = photo_guard(Settings(photo_allowed_networks=entries))
    return replace(guard, resolve=resolve) if resolve else guard


def opened(guard: Guard, address: str, port: int) -> bool:
    """Whether an address may be visited, written as itself."""
    host = f"[{address}]" if ":" in address else address
    try:
        guard.parse(f"http://{host}:{port}/")
    except AddressRefused:
        return False
    return bool(guard.addresses(address, port, 5))


def named(guard: Guard, host: str, port: int, *addresses: str) -> bool:
    """Whether a host that has these addresses may be visited."""
    guard = replace(guard, resolve=lambda host, port: list(addresses))
    try:
        return bool(guard.addresses(guard.parse(f"http://{host}:{port}/").host, port, 5))
    except AddressRefused:
        return False


@pytest.mark.parametrize(
    ("entries", "inside", "outside"),
    [
        ("192.168.1.0/24", [("192.168.1.7", 80), ("192.168.1.7", 8080)], [("192.168.1.7", 8123), ("192.168.2.7", 80)]),
        ("192.168.1.0/24:8123", [("192.168.1.7", 8123)], [("192.168.1.7", 80), ("192.168.2.7", 8123)]),
        ("192.168.1.20:8123", [("192.168.1.20", 8123)], [("192.168.1.21", 8123), ("192.168.1.20", 8124)]),
        ("10.0.0.5, 10.0.0.6:81", [("10.0.0.5", 443), ("10.0.0.6", 81)], [("10.0.0.5", 81), ("10.0.0.6", 80)]),
        ("fd12::/64", [("fd12::1", 443)], [("fd12:1::1", 443), ("fd12::1", 8123)]),
        ("[fd12::7]:8123", [("fd12::7", 8123)], [("fd12::8", 8123), ("fd12::7", 80)]),
        ("93.184.216.34:9000", [("93.184.216.34", 9000), ("93.184.216.34", 80)], [("93.184.216.35", 9000)]),
        ("127.0.0.1:9000", [("127.0.0.1", 9000)], [("127.0.0.2", 9000), ("127.0.0.1", 80), ("::1", 9000)]),
        ("169.254.169.254", [("169.254.169.254", 80)], [("169.254.169.253", 80)]),
    ],
)
def test_an_entry_opens_exactly_what_it_names(
    entries: str, inside: list[tuple[str, int]], outside: list[tuple[str, int]]
) -> None:
    guard = lan(entries)
    assert [place for place in inside if not opened(guard, *place)] == []
    assert [place for place in outside if opened(guard, *place)] == []


def test_a_name_opens_the_addresses_that_it_has_and_no_other_name() -> None:
    guard = lan("camera.lan:8081, nas")
    assert named(guard, "Camera.LAN", 8081, "192.168.1.9")
    assert named(guard, "camera.lan.", 8081, "93.184.216.34")
    assert named(guard, "nas", 80, "192.168.1.9", "fd12::9")
    assert not named(guard, "camera.lan", 80, "192.168.1.9")
    assert not named(guard, "other.lan", 8081, "192.168.1.9")
    assert not named(guard, "x.camera.lan", 8081, "192.168.1.9")
    assert not opened(guard, "192.168.1.9", 8081)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "::1", "0.0.0.0", "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
        *("fe80::1", "fd00:ec2::254", "fd20:ce::254", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"),
        "224.0.0.1",
    ],
)
def test_loopback_link_local_and_metadata_are_opened_by_their_own_address_alone(address: str) -> None:
    around = lan(f"{EVERYTHING}, 100.64.0.0/10, 10.0.0.0/8, 126.0.0.0/7, fc00::/7, evil.lan")
    assert not opened(around, address, 80)
    assert not named(around, "evil.lan", 80, address)
    assert opened(lan(address), address, 80)
    assert named(lan(address), "any.name", 80, address)


@pytest.mark.parametrize("url", [*SPELLINGS.values(), *TRICKS.values()])
def test_every_odd_spelling_stays_refused_where_everything_is_open(url: str) -> None:
    with pytest.raises(AddressRefused):
        lan(EVERYTHING, lambda host, port: ["8.8.8.8"]).parse(url)


@pytest.mark.parametrize("address", PRIVATE.values(), ids=PRIVATE)
def test_one_open_network_opens_no_other_private_place(address: str) -> None:
    assert opened(lan("192.168.0.0/16"), address, 80) == address.startswith("192.168.")


def test_one_address_that_is_not_open_refuses_the_name() -> None:
    assert named(lan("192.168.1.0/24"), "camera.example", 80, "192.168.1.9", "93.184.216.34")
    assert not named(lan("192.168.1.0/24"), "camera.example", 80, "192.168.1.9", "192.168.2.9")
    assert not named(lan("192.168.1.0/24:8123"), "camera.example", 8123, "192.168.1.9", "93.184.216.34")


@given(st.ip_addresses(), st.integers(1, 65535))
def test_nothing_is_open_without_the_setting(address: Any, port: int) -> None:
    assert opened(lan(""), str(address), port) == opened(Guard(), str(address), port)


@pytest.mark.parametrize("url", ["http://192.168.2.1/", "http://192.168.1.1:22/", "http://camera.example/"])
def test_a_refusal_names_the_setting(url: str) -> None:
    for make, setting in ((photo_guard, "PHOTO_ALLOWED_NETWORKS"), (webhook_guard, "WEBHOOK_ALLOWED_NETWORKS")):
        guard = replace(make(Settings()), resolve=lambda host, port: ["10.0.0.1"])
        with pytest.raises(AddressRefused, match=f"with {setting}") as refused:
            guard.addresses(guard.parse(url).host, 80, 5)
        assert refused.value.message.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        *("192.168.1.7/24", "192.168.1", "192.168.1.0/33", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:x", "0x7f.1"),
        *("*", "*.lan", "http://camera.lan", "camera.lan/", "[camera.lan", "a b", "-a", "a..b"),
        *("fd12::1::2", "[fd12::7]8123"),
    ],
)
def test_a_malformed_entry_ends_the_program_with_a_sentence(text: str) -> None:
    for name in ("PHOTO_ALLOWED_NETWORKS", "WEBHOOK_ALLOWED_NETWORKS"):
        with pytest.raises(SettingsError, match=rf"^{name} must be places such as 192\.168\.1\.0/24"):
            Settings.from_env({name: f"10.0.0.1, {text}"})


@pytest.mark.parametrize("text", ["127.0.0.0/8", "169.254.0.0/16:80", "fe80::/10"])
def test_a_network_that_can_open_nothing_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="must be single addresses where they are loopback or link-local"):
        Settings.from_env({"PHOTO_ALLOWED_NETWORKS": text})


@given(st.text(st.sampled_from("0123456789abx.:/[]-_*, \n"), max_size=30))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    environ = {"PHOTO_ALLOWED_NETWORKS": text}
    try:
        places = parse(Settings.from_env(environ).photo_allowed_networks)
    except SettingsError:
        return
    assert len(places) == len([entry for entry in text.split(",") if entry.strip()])


def photo(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
    reply(handler, body=PHOTO)


def test_a_photo_comes_from_a_server_that_is_named_and_not_from_the_port_beside_it() -> None:
    with serving(photo) as camera, serving(photo) as other:
        guard = lan(f"{HERE}:{camera.port}")
        limits: dict[str, Any] = {"timeout": 10, "max_bytes": 2**20, "guard": guard}
        assert fetch_photo(f"http://{HERE}:{camera.port}/a.jpg", **limits) == ("a.jpg", PHOTO)
        assert fetch_photo(f"http://localhost:{camera.port}/a.jpg", **limits) == ("a.jpg", PHOTO)
        with pytest.raises(AddressRefused):
            fetch_photo(f"http://{HERE}:{other.port}/a.jpg", **limits)
        assert other.seen == []


def test_a_redirect_from_an_open_server_is_judged_by_the_same_rule() -> None:
    with serving(photo) as camera, serving(photo) as other:
        targets = iter([camera.port, other.port])

        def redirect(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
            reply(handler, 302, Location=f"http://{HERE}:{next(targets)}/b.jpg")

        with serving(redirect) as first:
            guard = lan(f"{HERE}:{first.port}, {HERE}:{camera.port}")
            limits: dict[str, Any] = {"timeout": 10, "max_bytes": 2**20, "guard": guard}
            assert fetch_photo(f"http://{HERE}:{first.port}/", **limits) == ("b.jpg", PHOTO)
            with pytest.raises(AddressRefused):
                fetch_photo(f"http://{HERE}:{first.port}/", **limits)
        assert other.seen == []


def test_a_name_that_has_been_rebound_to_a_place_that_is_shut_is_refused() -> None:
    answers = iter([[HERE], ["127.0.0.2"]])
    with serving(photo) as camera, serving(photo, host="127.0.0.2", port=camera.port) as other:
        guard = lan(f"{HERE}:{camera.port}", lambda host, port: next(answers))
        url = f"http://camera.example:{camera.port}/"
        assert fetch_photo(url, timeout=10, max_bytes=2**20, guard=guard)[1] == PHOTO
        with pytest.raises(AddressRefused):
            fetch_photo(url, timeout=10, max_bytes=2**20, guard=guard)
        assert other.seen == []


def answer_to(settings: Settings, body: dict[str, str]) -> tuple[int, str]:
    """Status and code of what a service with these settings answers to a request for a run."""
    with closing(Service(settings)) as service:
        answer = service.client.post("/api/v1/runs", json=body)
        return answer.status_code, json_of(answer).get("code", "")


def test_photos_and_webhooks_are_opened_apart(settings: Settings) -> None:
    refused, image = (422, "address-refused"), base64.b64encode(PHOTO).decode()
    with serving(photo) as server:
        here, url = f"{HERE}:{server.port}", f"http://{HERE}:{server.port}/a.jpg"
        for_photos = replace(settings, photo_allowed_networks=here)
        assert answer_to(for_photos, {"url": url}) == (202, "")
        assert answer_to(for_photos, {"image": image, "webhook": url}) == refused
        for_webhooks = replace(settings, webhook_allowed_networks=here)
        assert answer_to(for_webhooks, {"image": image, "webhook": url}) == (202, "")
        assert answer_to(for_webhooks, {"url": url}) == refused


def test_a_webhook_is_delivered_to_a_place_that_is_open_and_to_no_other(services: Services) -> None:
    with serving(photo) as home, serving(photo) as other:
        settings = replace(services.settings, webhook_allowed_networks=f"{HERE}:{home.port}")
        services = replace(services, settings=settings)
        for server in (home, other):
            run, _ = services.store.add_run(
                made.photo(),
                name="a.jpg",
                identities=made.IDENTITIES,
                owner="v:me",
                webhook=f"http://{HERE}:{server.port}/",
            )
            services.store.start_analysis(run.analyses[0].id)
            services.store.finish_analysis(run.analyses[0].id, made.objects(cat=0.9))
        assert deliver_due(services) == 2
        assert (len(home.seen), len(other.seen)) == (1, 0)
        (refused,) = deliveries_of(services.store, run.id)
    assert "WEBHOOK_ALLOWED_NETWORKS" in str(refused.error)
