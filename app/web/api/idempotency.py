"""Idempotency-Key: a repeated request gets the response of the first one.

Redis holds, per caller and key, a fingerprint of the request and the id of what it created. While a request is being
processed its key is claimed for a limited time, so the claim of a process that dies expires. A request that lost its
claim in this way does not overwrite what another request has stored under the key since.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis import Redis
from redis.client import Pipeline

from app.errors import PublicError

KEPT = 24 * 3600  # seconds that the key of a finished request is remembered
CLAIMED = 60  # seconds that a claim lasts, from one `renew` to the next
_IN_PROGRESS = "in progress "  # Before a claim's token, where a finished request has the id of what it created.


class KeyReused(PublicError):
    status, code = 422, "idempotency-key-reused"
    message = "This Idempotency-Key belongs to another request. Use a new key for new content."


class KeyInUse(PublicError):
    status, code = 409, "idempotency-key-in-use"
    message = "A request with this Idempotency-Key is still being processed. Try again in a moment."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class Claim:
    """An idempotency key for the length of a request. Every method raises redis.RedisError when Redis is unavailable.

    created: what an earlier request created; None for the first request.
    """

    def __init__(self, redis: Redis, owner: str, key: str, request_print: str, created: str | None = None):
        self.created, self._redis, self._key, self._print = created, redis, key, request_print
        self._name = _name(owner, key)
        self._in_progress = f"{request_print}:{_IN_PROGRESS}{secrets.token_hex(16)}"
        # The value in Redis as long as this request may change the key.
        self._own = f"{request_print}:{created}" if created else self._in_progress

    def begin(self) -> bool:
        """Claim the key; False when it is not free."""
        return bool(self._redis.set(self._name, self._in_progress, nx=True, ex=CLAIMED))

    def renew(self) -> None:
        """Extend the claim to CLAIMED seconds from now. Call it before each step that may take long."""
        if self._change(lambda pipe: pipe.set(self._name, self._in_progress, ex=CLAIMED)):
            self._own = self._in_progress

    def keep(self, created: str, owner: str) -> None:
        """Remember what was created.

        owner: who the client is from now on, if the request made it a visitor. Under that name it is remembered too,
        because the client repeats the request with the cookie, or without it if it never got the response.
        """
        value = f"{self._print}:{created}"
        if self._change(lambda pipe: pipe.set(self._name, value, ex=KEPT)):
            self._own = value
            self._redis.set(_name(owner, self._key), value, ex=KEPT)

    def end(self) -> None:
        """Free the key if nothing was created."""
        if self._own == self._in_progress:
            self._change(lambda pipe: pipe.delete(self._name))

    def _change(self, step: Callable[[Pipeline], object]) -> bool:
        """Change the key in one transaction if it is still this request's, or free; whether it was."""

        mine = False

        def steps(pipe: Pipeline) -> None:
            nonlocal mine
            mine = _text(pipe.get(self._name)) in ("", self._own)
            pipe.multi()
            if mine:
                step(pipe)

        self._redis.transaction(steps, self._name)
        return mine


class NoClaim(Claim):
    """The claim of a request without a key."""

    def __init__(self) -> None:
        self.created = None

    def renew(self) -> None:
        pass

    def keep(self, created: str, owner: str) -> None:
        pass


def fingerprint(*parts: object) -> str:
    """One hash of everything that makes two requests equal."""
    return hashlib.sha256("\x1f".join(repr(part) for part in parts).encode()).hexdigest()


@contextmanager
def claim(redis: Redis, owner: str, key: str | None, request_print: str) -> Iterator[Claim]:
    """Claim a key for the length of a request, which calls `keep` with what it created.

    Args:
        request_print: the request's fingerprint.

    Raises:
        KeyReused: the key was used with another request.
        KeyInUse: a request with this key is still being processed.
    """
    if key is None:
        yield NoClaim()
        return
    claimed = Claim(redis, owner, key, request_print)
    if not claimed.begin():
        known, _, created = _text(redis.get(_name(owner, key))).partition(":")
        if known and known != request_print:
            raise KeyReused
        if not created or created.startswith(_IN_PROGRESS):
            raise KeyInUse
        claimed = Claim(redis, owner, key, request_print, created)
    try:
        yield claimed
    finally:
        claimed.end()


def _name(owner: str, key: str) -> str:
    return f"idempotency:{hashlib.sha256(f'{owner}:{key}'.encode()).hexdigest()}"


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)
