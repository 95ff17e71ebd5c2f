"""Idempotency-Key: a repeated request answers with what the first one made.

Redis keeps, per caller and key, a fingerprint of the request and the id of what it made. A key is first claimed for
the length of one request; a process that dies in between leaves a claim that ends by itself, so no key is lost to it.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis

from app.errors import PublicError

KEPT = 24 * 3600  # seconds that an answered key is remembered
CLAIMED = 60  # seconds that one request may take before its key is free again


class KeyReused(PublicError):
    status, code = 422, "idempotency-key-reused"
    message = "This Idempotency-Key belongs to another request. Use a new key for new content."


class KeyInUse(PublicError):
    status, code = 409, "idempotency-key-in-use"
    message = "A request with this Idempotency-Key is being worked on. Try again in a moment."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


@dataclass
class Claim:
    """What a key stands for. made: what an earlier request made, or None when this one is the first."""

    made: str | None
    keep: Callable[[str], None]


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
        yield Claim(None, lambda made: None)
        return
    name = f"idempotency:{hashlib.sha256(f'{owner}:{key}'.encode()).hexdigest()}"
    if not redis.set(name, f"{print_}:", nx=True, ex=CLAIMED):
        known, _, made = _text(redis.get(name)).partition(":")
        if known and known != print_:
            raise KeyReused
        if not made:
            raise KeyInUse
        yield Claim(made, lambda made: _keep(redis, name, print_, made))
        return
    kept = False

    def keep(made: str) -> None:
        nonlocal kept
        _keep(redis, name, print_, made)
        kept = True

    try:
        yield Claim(None, keep)
    finally:
        if not kept:
            redis.delete(name)


def _keep(redis: Redis, name: str, print_: str, made: str) -> None:
    redis.set(name, f"{print_}:{made}", ex=KEPT)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)
