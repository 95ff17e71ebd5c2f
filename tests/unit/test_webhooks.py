"""Webhooks: signed, delivered, retried for a day by the test's own clock, never to private addresses."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from typing import Any

import pytest

from app.client import InvalidSignature, verify
from app.config.settings import Settings
from app.intake.address import Guard
from app.store import StoreUnavailable
from app.store.models import Delivery, Run
from app.worker.webhooks import DELAYS, LEASE, SHARE, Courier, deliver_due, shown_secret, sign, signing_secrets
from tests import made
from tests.deliveries import deliveries_of
from tests.http_server import Seen, Server, reply, serving

HERE = Guard(allows=lambda address: address == "127.0.0.1", ports=None)


class Receiver:
    """A receiver on loopback that answers with the statuses it is given, the last one for ever."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.headers: dict[str, str] = {}

    def __call__(self, seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        reply(handler, status, b"thanks", **self.headers)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def server(receiver: Receiver) -> Iterator[Server]:
    with serving(receiver) as server:
        yield server


def add_run(services: Any, url: str, **options: Any) -> Run:
    """A run with a webhook, not yet finished."""
    run, _ = services.store.add_run(
        made.photo(), name="a.jpg", identities=made.IDENTITIES, owner="v:me", webhook=url, options=options
    )
    return run


def finish(services: Any, run: Run) -> None:
    services.store.start_analysis(run.analyses[0].id)
    services.store.finish_analysis(run.analyses[0].id, made.objects(cat=0.9, dog=0.4))


def finished_run(services: Any, server: Server, **options: Any) -> Run:
    run = add_run(services, f"http://127.0.0.1:{server.port}/hook?a=1", **options)
    finish(services, run)
    return run


def outcome(services: Any, run: Run) -> Delivery:
    (delivery,) = deliveries_of(services.store, run.id)
    return delivery


def later(services: Any, seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_result_is_posted_once_when_the_run_ends(services: Any, server: Server) -> None:
    run = add_run(services, f"http://127.0.0.1:{server.port}/hook?a=1")
    assert deliver_due(services, guard=HERE) == 0
    finish(services, run)
    assert deliver_due(services, guard=HERE) == 1
    assert deliver_due(services, later(services, 90_000), guard=HERE) == 0
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/hook?a=1")
    assert seen.headers["content-type"] == "application/json"
    body = json.loads(seen.body)
    assert body["type"] == "run.done"
    assert body["data"]["id"] == run.id
    assert body["data"]["state"] == "done"
    assert [found["class"] for found in body["data"]["results"]["objects"]["instances"]] == ["cat"]
    delivery = outcome(services, run)
    assert delivery.delivered_at is not None
    assert (delivery.attempts, delivery.due_at, delivery.error) == (1, None, None)


def test_the_result_is_shown_as_the_run_asked_for_it(services: Any, server: Server) -> None:
    finished_run(services, server, threshold=0.3, classes="dog")
    deliver_due(services, guard=HERE)
    data = json.loads(server.seen[0].body)["data"]
    assert (data["threshold"], data["classes"]) == (0.3, ["dog"])
    assert [found["class"] for found in data["results"]["objects"]["instances"]] == ["dog"]


def test_the_id_of_the_request_comes_back(services: Any, server: Server) -> None:
    finished_run(services, server, request_id="abc")
    deliver_due(services, guard=HERE)
    assert server.seen[0].headers["x-request-id"] == "abc"
    assert json.loads(server.seen[0].body)["data"]["request_id"] == "abc"


def test_a_failed_run_is_delivered_too(services: Any, server: Server) -> None:
    run = add_run(services, f"http://127.0.0.1:{server.port}/")
    services.store.start_analysis(run.analyses[0].id)
    services.store.fail_analysis(run.analyses[0].id, "The photo was too much.")
    deliver_due(services, guard=HERE)
    body = json.loads(server.seen[0].body)
    assert body["type"] == "run.failed"
    assert body["data"]["error"] == "The photo was too much."


def test_the_signature_verifies_with_the_secret_that_the_server_shows(services: Any, server: Server) -> None:
    run = finished_run(services, server)
    deliver_due(services, guard=HERE)
    seen = server.seen[0]
    secret = shown_secret(services.settings)
    verify(secret, seen.headers, seen.body)
    assert seen.headers["webhook-id"] == outcome(services, run).id
    for changed in (
        {"body": seen.body + b" "},
        {"headers": {**seen.headers, "webhook-id": "other"}},
        {"headers": {**seen.headers, "webhook-timestamp": str(int(seen.headers["webhook-timestamp"]) + 1)}},
        {"secret": shown_secret(Settings(secret_key="another"))},
        {"now": float(seen.headers["webhook-timestamp"]) + 301},
        {"now": float(seen.headers["webhook-timestamp"]) - 301},
    ):
        with pytest.raises(InvalidSignature):
            verify(**{"secret": secret, "headers": seen.headers, "body": seen.body, **changed})


def test_failures_are_tried_again_with_growing_delays_until_one_succeeds(
    services: Any, server: Server, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302, 404, 204]
    receiver.headers = {"Location": "/elsewhere"}
    run = finished_run(services, server)
    now = later(services, 1)
    for attempt, delay in enumerate(DELAYS[:3], start=1):
        assert deliver_due(services, now, guard=HERE) == 1
        delivery = outcome(services, run)
        assert delivery.attempts == attempt
        assert delivery.due_at == now + timedelta(seconds=delay)
        assert delivery.error is not None
        assert deliver_due(services, now + timedelta(seconds=delay - 1), guard=HERE) == 0
        now += timedelta(seconds=delay)
    assert deliver_due(services, now, guard=HERE) == 1
    delivery = outcome(services, run)
    assert delivery.delivered_at is not None
    assert (delivery.attempts, delivery.error) == (4, None)
    assert [seen.path for seen in server.seen] == ["/hook?a=1"] * 4
    assert len({seen.headers["webhook-id"] for seen in server.seen}) == 1
    stamps = [int(seen.headers["webhook-timestamp"]) for seen in server.seen]
    assert [b - a for a, b in pairwise(stamps)] == list(DELAYS[:3])


def test_it_is_given_up_after_about_a_day(services: Any, server: Server, receiver: Receiver) -> None:
    receiver.statuses = [503]
    run = finished_run(services, server)
    begin = now = later(services, 1)
    while deliver_due(services, now, guard=HERE):
        now = outcome(services, run).due_at or now
    delivery = outcome(services, run)
    assert timedelta(hours=23) < now - begin <= timedelta(hours=24)
    assert delivery.attempts == len(DELAYS) + 1
    assert (delivery.due_at, delivery.delivered_at) == (None, None)
    assert delivery.error == "The receiver answered with status 503."


def test_410_ends_it_at_once(services: Any, server: Server, receiver: Receiver) -> None:
    receiver.statuses = [410]
    run = finished_run(services, server)
    deliver_due(services, guard=HERE)
    assert outcome(services, run).due_at is None
    assert outcome(services, run).delivered_at is None


def test_a_receiver_that_is_away_is_tried_again(services: Any, server: Server) -> None:
    run = add_run(services, "http://127.0.0.1:9/")
    finish(services, run)
    deliver_due(services, guard=HERE)
    delivery = outcome(services, run)
    assert delivery.due_at is not None
    assert delivery.error == "The server at this address cannot be reached."


def test_private_addresses_are_never_connected_to(services: Any, server: Server) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:127.0.0.1]"):
        finish(services, add_run(services, f"http://{host}:{server.port}/"))
    assert deliver_due(services, guard=Guard(ports=None)) == 5
    assert server.seen == []


def test_a_name_that_leads_to_a_private_address_by_now_is_not_connected_to(services: Any, server: Server) -> None:
    run = add_run(services, f"http://hooks.example:{server.port}/")
    finish(services, run)
    deliver_due(services, guard=Guard(ports=None, resolve=lambda host, port: ["127.0.0.1"]))
    assert server.seen == []
    assert "public" in str(outcome(services, run).error)


def test_a_deleted_runs_webhook_is_dropped(services: Any, server: Server) -> None:
    run = finished_run(services, server)
    services.store.delete_run(run.id)
    assert deliver_due(services, guard=HERE) == 0
    assert server.seen == []


def test_the_courier_does_not_wait_for_a_slow_receiver(services: Any) -> None:
    answered = threading.Event()

    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        answered.wait(10)
        reply(handler, 200)

    courier = Courier(services, HERE)
    with serving(answer) as server:
        run = finished_run(services, server)
        for _ in range(3):
            courier.nudge()
        answered.set()
        courier.join()
        assert outcome(services, run).delivered_at is not None
        assert len(server.seen) == 1


def test_the_courier_survives_a_store_that_is_away(services: Any, server: Server) -> None:
    run = finished_run(services, server)
    path = services.settings.data_path / "detector.db"
    services.store.close()
    path.rename(path.with_suffix(".away"))
    courier = Courier(services, HERE)
    courier.nudge()
    courier.join()
    services.store.close()
    path.with_suffix(".away").rename(path)
    courier.nudge()
    courier.join()
    assert outcome(services, run).delivered_at is not None


def test_a_lost_result_ends_its_delivery(services: Any, server: Server) -> None:
    run = finished_run(services, server)
    for key, _ in list(services.store.blobs.keys("results/")):
        services.store.blobs.delete(key)
    assert deliver_due(services, guard=HERE) == 1
    assert outcome(services, run).due_at is None
    assert server.seen == []


def test_a_store_that_is_away_costs_the_receiver_no_try(
    services: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreUnavailable("The S3 bucket photos cannot be reached.")

    run = finished_run(services, server)
    now = later(services, 1)
    with monkeypatch.context() as patch:
        patch.setattr(services.store.blobs, "get", refuse)
        assert deliver_due(services, now, guard=HERE) == 1
    delivery = outcome(services, run)
    assert (delivery.attempts, delivery.due_at, delivery.error) == (0, now + timedelta(seconds=LEASE), None)
    assert deliver_due(services, now + timedelta(seconds=LEASE), guard=HERE) == 1
    delivery = outcome(services, run)
    assert (delivery.attempts, delivery.delivered_at is None) == (1, False)


def test_many_deliveries_are_all_made_in_one_call(services: Any, server: Server) -> None:
    runs = {finished_run(services, server).id for _ in range(20)}
    assert deliver_due(services, guard=HERE) == 20
    assert {json.loads(seen.body)["data"]["id"] for seen in server.seen} == runs


def test_a_slow_receiver_of_many_leaves_the_others_their_turns(services: Any) -> None:
    """The slow one answers nobody before the other has all of its own."""
    slow_under_way: list[int] = []
    others_done = threading.Event()

    def slow(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        others_done.wait(10)
        reply(handler, 200)

    def quick(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        slow_under_way.append(len(slow_server.seen))
        reply(handler, 200)
        if len(slow_under_way) == 12:
            others_done.set()

    with serving(slow) as slow_server, serving(quick) as quick_server:
        runs = [finished_run(services, server) for server in [slow_server] * 20 + [quick_server] * 12]
        assert deliver_due(services, guard=HERE) == 32
    assert max(slow_under_way) <= SHARE
    assert all(outcome(services, run).delivered_at for run in runs)


def test_signatures_are_those_of_standard_webhooks() -> None:
    """The example of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""
    settings = Settings(webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    sent = datetime.fromtimestamp(1614265330, UTC)
    signature = sign(signing_secrets(settings)[0], "msg_p5jXN8AQM9LWM0D4loKWxJek", sent, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = {
        "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": f"v1,AAAA v1a,xyz {signature}",
    }
    verify(settings.webhook_secret, headers, body, now=1614265330)


def test_the_secret_is_a_setting_or_derived_and_always_shown_in_one_form(settings: Settings) -> None:
    assert signing_secrets(Settings(webhook_secret="plain text")) == [b"plain text"]
    assert signing_secrets(Settings(webhook_secret="whsec_not base64!")) == [b"whsec_not base64!"]
    [derived] = signing_secrets(settings)
    assert len(derived) == 32
    assert derived != settings.secret_key.encode()
    assert shown_secret(settings) == "whsec_" + base64.b64encode(derived).decode()


@pytest.mark.parametrize(
    ("headers", "secret", "reason"),
    [
        ({}, "whsec_AAAA", "webhook-id is missing"),
        ({"webhook-id": "a", "webhook-timestamp": "x", "webhook-signature": ""}, "whsec_AAAA", "not a number"),
        ({"webhook-id": "a", "webhook-timestamp": "0", "webhook-signature": ""}, "whsec_A!", "base64"),
        ({"webhook-id": "a", "webhook-timestamp": "0", "webhook-signature": ""}, "whsec_AAAA", "no signature"),
        ({"webhook-id": "a", "webhook-timestamp": "0", "webhook-signature": "v1,é"}, "whsec_AAAA", "no signature"),
    ],
)
def test_what_cannot_be_verified_says_why(headers: dict[str, str], secret: str, reason: str) -> None:
    with pytest.raises(InvalidSignature, match=reason):
        verify(secret, headers, b"{}", now=0)


def accepted(settings: Settings, secret: str, owner: str) -> bool:
    """Whether a receiver that knows a secret accepts what is signed for an owner's run."""
    now = datetime.now(UTC)
    signatures = " ".join(sign(key, "msg_1", now, b"{}") for key in signing_secrets(settings, owner))
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signatures,
    }
    try:
        verify(secret, headers, b"{}")
    except InvalidSignature:
        return False
    return True


def test_each_api_key_has_a_secret_that_signs_its_runs_alone(settings: Settings) -> None:
    mine, other = (shown_secret(settings, id) for id in ("mine", "other"))
    assert mine != other
    assert accepted(settings, mine, "k:mine")
    assert not accepted(settings, mine, "k:other")
    assert not accepted(settings, mine, "v:me")
    assert accepted(settings, shown_secret(settings), "k:mine")  # As before there were secrets of keys.


def test_while_a_secret_is_changed_the_old_and_the_new_one_are_valid(settings: Settings) -> None:
    old, new = ("whsec_" + base64.b64encode(text * 8).decode() for text in (b"old ", b"new "))
    both = replace(settings, webhook_secret=f"{new} {old}")
    assert shown_secret(both) == new
    for owner in ("v:me", "k:mine"):
        assert accepted(both, old, owner)
        assert accepted(both, new, owner)
    assert accepted(both, shown_secret(replace(settings, webhook_secret=old), "mine"), "k:mine")
    assert not accepted(replace(settings, webhook_secret=new), old, "v:me")


def test_the_webhook_of_a_keys_run_is_signed_with_the_secret_of_the_key(services: Any, server: Server) -> None:
    run, _ = services.store.add_run(
        made.photo(), name="a", identities=made.IDENTITIES, owner="k:mine", webhook=f"http://127.0.0.1:{server.port}/"
    )
    finish(services, run)
    deliver_due(services, guard=HERE)
    [seen] = server.seen
    verify(shown_secret(services.settings, "mine"), seen.headers, seen.body)


def test_a_webhook_is_signed_with_the_secret_of_its_request_which_is_then_forgotten(
    services: Any, server: Server
) -> None:
    own, address = "whsec_" + base64.b64encode(b"mine" * 8).decode(), f"http://127.0.0.1:{server.port}/"
    run, _ = services.store.add_run(
        made.photo(), name="a", identities=made.IDENTITIES, owner="k:mine", webhook=address, webhook_secret=own
    )
    finish(services, run)
    deliver_due(services, guard=HERE)
    [seen] = server.seen
    for secret in (own, shown_secret(services.settings, "mine"), shown_secret(services.settings)):
        verify(secret, seen.headers, seen.body)
    assert own not in seen.body.decode()
    assert services.store.get_run(run.id).webhook_secret is None


def test_the_secret_of_a_request_is_kept_while_its_webhook_is_tried_again(
    services: Any, server: Server, receiver: Receiver
) -> None:
    own = "whsec_" + base64.b64encode(b"mine" * 8).decode()
    receiver.statuses = [503]
    run, _ = services.store.add_run(
        made.photo(),
        name="a",
        identities=made.IDENTITIES,
        owner="v:me",
        webhook=f"http://127.0.0.1:{server.port}/",
        webhook_secret=own,
    )
    finish(services, run)
    deliver_due(services, guard=HERE)
    assert services.store.get_run(run.id).webhook_secret == own
