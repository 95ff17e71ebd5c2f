"""Webhooks: when a run ends, its result is posted to the address that the run named.

The request is what Standard Webhooks describes (https://www.standardwebhooks.com): a JSON body
`{"type": "run.done", "timestamp": ..., "data": {...}}`, whose data is the run as in GET /api/v1/runs/<id>,
without links and position, and the headers

    webhook-id         the same for every try of one delivery: ignore known ones
    webhook-timestamp  seconds since 1970 of this try
    webhook-signature  "v1," + base64 of HMAC-SHA256 over "<id>.<timestamp>.<body>", for each secret that is valid now
    X-Request-ID       of the request that created the run, where known; also in data

To verify one, with the `Webhook-Secret` that the request named, or the secret that `python -m app.worker.webhooks`
prints on the server (`whsec_...`), followed by the id of an API key for the secret of that key's runs:

    from app.client import verify
    verify(secret, request.headers, request.get_data())      # raises InvalidSignature, also if too old

or with nothing but the standard library:

    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    valid = any(hmac.compare_digest(wanted, given) for given in headers["webhook-signature"].split())
    valid = valid and abs(time.time() - int(headers["webhook-timestamp"])) < 300

Any status from 200 to 299 within ten seconds counts as delivered, and 410 ends the deliveries of the run. Everything
else is tried again, ten more times over a day. Redirects are not followed, and of private addresses only those that
WEBHOOK_ALLOWED_NETWORKS names are connected to.
"""

import base64
import binascii
import hmac
import json
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks import Webhook

from app.config.settings import Settings
from app.errors import AddressRefused, FetchFailed, NotFound
from app.intake.address import Guard, exchange, webhook_guard
from app.queue import run_json
from app.store import BlobMissing, StoreUnavailable
from app.store.deliveries import receiver_of
from app.store.models import Delivery, Run, utcnow

if TYPE_CHECKING:
    from app.queue.services import Services

log = logging.getLogger(__name__)

# Seconds from each failed try to the next: 23.7 hours in all.
DELAYS = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800)
TIMEOUT = 10.0
# Deliveries at a time, how many of them may be to one receiver, so that a slow one does not delay the others, and the
# seconds for which they are reserved: more than any of them can take.
AT_ONCE = 8
SHARE = 2
LEASE = 60.0
# Deliveries of one call, so that a long outbox does not delay the caller's other work.
MAX_TRIED = 80
_GONE = 410


def deliver_due(services: "Services", now: datetime | None = None, *, guard: Guard | None = None) -> int:
    """Try every delivery that is due. Several processes may do so at once. Blocks until the receivers respond.

    Args:
        now: the current time, for tests.
        guard: what may be connected to; None for what the settings say.

    Returns:
        The number of deliveries tried, successfully or not.
    """
    guard = guard or webhook_guard(services.settings)
    tried, under_way = 0, dict[Future[None], str]()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        while True:
            limit = min(AT_ONCE - len(under_way), MAX_TRIED - tried)
            busy = Counter(under_way.values())
            due = services.store.deliveries.claim(now=now, limit=limit, lease=LEASE, busy=busy, share=SHARE)
            for delivery in due:
                attempt = threads.submit(_attempt, services, delivery, now or utcnow(), guard)
                under_way[attempt] = receiver_of(delivery.url)
            tried += len(due)
            if not under_way:
                return tried
            for attempt in wait(under_way, return_when=FIRST_COMPLETED).done:
                del under_way[attempt]
                attempt.result()


def signing_secrets(settings: Settings, owner: str = "", named: str | None = None) -> list[bytes]:
    """The keys that sign the webhooks of an owner's runs; a receiver knows one of them.

    First the one that the request named. Those of WEBHOOK_SECRET, the newest first, or one derived from SECRET_KEY,
    sign all. An API key (`k:<id>`) has secrets of its own, derived from these, before them: so its holder's receiver
    needs no secret that others know.
    """
    text = settings.webhook_secret
    several = text.split()
    texts = several if all(one.startswith("whsec_") for one in several) else [text]
    shared = [_decoded(text) for text in texts] or [hmac.digest(settings.signing_key().encode(), b"webhooks", "sha256")]
    own = [hmac.digest(secret, owner.encode(), "sha256") for secret in shared] if owner.startswith("k:") else []
    return [*([_decoded(named)] if named else []), *own, *shared]


def _decoded(text: str) -> bytes:
    """A secret as it is set: `whsec_` and base64, or any text."""
    try:
        return (
            base64.b64decode(text.removeprefix("whsec_"), validate=True) if text.startswith("whsec_") else text.encode()
        )
    except binascii.Error:
        return text.encode()


def shown_secret(settings: Settings, key_id: str = "") -> str:
    """The newest signing key as given to receivers, `whsec_` and base64: of an API key, or of runs without one."""
    newest, *_ = signing_secrets(settings, f"k:{key_id}" if key_id else "")
    return "whsec_" + base64.b64encode(newest).decode()


def sign(key: bytes, id: str, when: datetime, body: bytes) -> str:
    """The value of `webhook-signature` for a body sent at a time in UTC."""
    return Webhook(key).sign(id, when, body.decode())


class Courier:
    """Delivers in a thread of its own, so that slow receivers delay nothing else."""

    def __init__(self, services: "Services", guard: Guard | None = None):
        self._services, self._guard = services, guard
        self._thread: threading.Thread | None = None

    def nudge(self) -> None:
        """Start a round unless one is running. Returns at once; call it every few seconds."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._round, name="webhooks", daemon=True)
            self._thread.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the running round. What a killed process leaves undone is tried again after LEASE seconds."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _round(self) -> None:
        try:
            deliver_due(self._services, guard=self._guard)
        except (StoreUnavailable, SQLAlchemyError, OSError) as error:
            log.warning("webhooks postponed: %s", error)


def _attempt(services: "Services", delivery: Delivery, now: datetime, guard: Guard) -> None:
    """Try one delivery and record the outcome."""
    deliveries = services.store.deliveries
    try:
        run = services.store.get_run(delivery.run_id)
        payload = _payload(services, run)
    except BlobMissing:
        return deliveries.give_up(delivery.id, "The run's result was deleted before it was delivered.")
    except StoreUnavailable as error:
        log.warning("webhook postponed: %s", error)
        return deliveries.postpone(delivery.id)
    except NotFound:
        return deliveries.give_up(delivery.id, "The run was deleted before its result was delivered.")
    body = json.dumps(payload, separators=(",", ":")).encode()
    headers = _headers(signing_secrets(services.settings, run.owner, run.webhook_secret), delivery.id, now, body)
    if id := run.options.get("request_id"):
        headers["X-Request-ID"] = id
    try:
        status = _post(delivery.url, headers, body, guard)
    except (AddressRefused, FetchFailed) as error:
        return _failed(services, delivery, now, error.message)
    if 200 <= status < 300:
        return deliveries.delivered(delivery.id)
    if status == _GONE:
        return deliveries.give_up(delivery.id, "The receiver answered with status 410 and gets no more deliveries.")
    return _failed(services, delivery, now, f"The receiver answered with status {status}.")


def _failed(services: "Services", delivery: Delivery, now: datetime, error: str) -> None:
    if delivery.attempts > len(DELAYS):
        return services.store.deliveries.give_up(delivery.id, error)
    due = now + timedelta(seconds=DELAYS[delivery.attempts - 1])
    return services.store.deliveries.retry(delivery.id, error, due)


def _headers(secrets: Sequence[bytes], id: str, now: datetime, body: bytes) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "FlaskDetector/1.0",
        "webhook-id": id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(sign(secret, id, now, body) for secret in secrets),
    }


def _post(url: str, headers: Mapping[str, str], body: bytes, guard: Guard) -> int:
    """Send the request and return the receiver's status. Raises AddressRefused, FetchFailed."""
    target, deadline = guard.parse(url), time.monotonic() + TIMEOUT
    with exchange("POST", target, guard=guard, deadline=deadline, headers=headers.items(), content=body) as answer:
        return answer.status


def _payload(services: "Services", run: Run) -> dict[str, Any]:
    """The body: the run as in the API, with its own threshold and classes."""
    view = run_json.view_of(run, {}, services.settings.threshold)
    data = run_json.describe_run(run, view) | run_json.describe_results(run, services.store.results(run), view)
    return {"type": f"run.{run.state}", "timestamp": (run.finished_at or utcnow()).isoformat(), "data": data}


if __name__ == "__main__":
    print(shown_secret(Settings.from_env(), *sys.argv[1:2]))
