"""Idempotency-Key: a repeated request answers with what the first one made.

Redis keeps, per caller and key, a fingerprint of the request and the id of what it made. A key is first claimed for
as long as one request is at work on it; a process that dies in between leaves a claim that ends by itself, so no key is
lost to it. A request that lost its claim in this way leaves alone what another has made of the key since.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis import Redis
from redis.client import Pipeline

from app.errors import PublicError

KEPT = 24 * 3600  # seconds that an answered key is remembered
CLAIMED = 60  # seconds from one `renew` to the next before a key is free again
_AT_WORK = "at work "  # before the token of a claim, where a key that is answered has what was made


class KeyReused(PublicError):
    status, code = 422, "idempotency-key-reused"
    message = "This Idempotency-Key belongs to another request. Use a new key for new content."


class KeyInUse(PublicError):
    status, code = 409, "idempotency-key-in-use"
    message = "A request with this Idempotency-Key is being worked on. Try again in a moment."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class Claim:
    """What a key stands for, for the length of a request.

    made: what an earlier request made, or None when this one is the first. Every method raises redis.RedisError when
    Redis is away.
    """

    def __init__(self, redis: Redis, name: str, print_: str, made: str | None = None):
        self.made, self._redis, self._name, self._print = made, redis, name, print_
        self._at_work = f"{print_}:{_AT_WORK}{secrets.token_hex(16)}"
        # What Redis holds as long as the key is this request's to change.
        self._own = f"{print_}:{made}" if made else self._at_work

    def begin(self) -> bool:
        """Take the key if it is free; whether it was."""
        return bool(self._redis.set(self._name, self._at_work, nx=True, ex=CLAIMED))

    def renew(self) -> None:
        """Hold the key for CLAIMED seconds from now. Call it before every step of what may take long."""
        if self._change(lambda pipe: pipe.set(self._name, self._at_work, ex=CLAIMED)):
            self._own = self._at_work

    def keep(self, made: str) -> None:
        """Remember what was made."""
        value = f"{self._print}:{made}"
        if self._change(lambda pipe: pipe.set(self._name, value, ex=KEPT)):
            self._own = value

    def end(self) -> None:
        """Free the key if it still says that this request is at work."""
        if self._own == self._at_work:
            self._change(lambda pipe: pipe.delete(self._name))

    def _change(self, step: Callable[[Pipeline], object]) -> bool:
        """Take a step that no other request comes between, if the key is this one's or nobody's; whether it was."""

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
    """That of a request without a key."""

    def __init__(self) -> None:
        self.made = None

    def renew(self) -> None:
        pass

    def keep(self, made: str) -> None:
        pass


def fingerprint(*parts: object) -> str:
    """One hash of everything that makes two requests the same."""
    return hashlib.sha256("\x1f".join(repr(part) for part in parts).encode()).hexdigest()


@contextmanager
def claim(redis: Redis, owner: str, key: str | None, print_: str) -> Iterator[Claim]:
    """The meaning of a key for the length of a request; the caller tells what it made with `keep`.

    Args:
        print_: the request's fingerprint.

    Raises:
        KeyReused: the key came with another request before.
        KeyInUse: a request with this key has not ended yet.
    """
    if key is None:
        yield NoClaim()
        return
    name = f"idempotency:{hashlib.sha256(f'{owner}:{key}'.encode()).hexdigest()}"
    claimed = Claim(redis, name, print_)
    if not claimed.begin():
        known, _, made = _text(redis.get(name)).partition(":")
        if known and known != print_:
            raise KeyReused
        if not made or made.startswith(_AT_WORK):
            raise KeyInUse
        claimed = Claim(redis, name, print_, made)
    try:
        yield claimed
    finally:
        claimed.end()


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)
