"""Checks of settings that are text.

Each check takes a value and raises ValueError saying what is expected, in words that follow "must be". Libraries that
some checks need are imported only when there is a value to check.
"""

import re

from app.config.analyses import ANALYSES
from app.config.networks import parse

FORWARDED = ("for", "proto", "host", "port", "prefix")
MIN_KEY = 16  # characters of a secret

_ADDRESS = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?", re.IGNORECASE)
_MIRROR = re.compile(r"(https?|s3)://[^\s/?#]+(/[^\s?#]*)?|(?![a-z0-9+.-]+://).+", re.IGNORECASE)
_HOST = re.compile(r"\*|\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE)
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^\s/?#@*]+", re.IGNORECASE)


def split(value: str) -> tuple[str, ...]:
    """The non-empty parts of a comma-separated value, stripped."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def address(value: str) -> None:
    """An http or https address, without a query; or nothing."""
    if value and not _ADDRESS.fullmatch(value):
        raise ValueError("an address such as https://photos.example.org")


def key(value: str) -> None:
    """A secret that cannot be guessed; or nothing."""
    if value and len(value) < MIN_KEY:
        raise ValueError(f"at least {MIN_KEY} characters long, such as `openssl rand -hex 32` prints")


def forwarded(value: str) -> None:
    """Names of X-Forwarded-* headers; or nothing."""
    if not set(split(value)) <= set(FORWARDED):
        raise ValueError(f"some of {', '.join(FORWARDED)}, separated by commas")


def hosts(value: str) -> None:
    """Names of hosts, each perhaps with a dot before it; `*`; or nothing."""
    if not all(_HOST.fullmatch(host) for host in split(value)):
        raise ValueError("names such as photos.example.org or .example.org, without ports, separated by commas, or *")


def mirrors(value: str) -> None:
    """Base addresses and folders; or nothing."""
    if not all(_MIRROR.fullmatch(mirror) for mirror in split(value)):
        raise ValueError("addresses such as https://example.org/weights or s3://bucket, or folders, separated by comma")


def analyses(value: str) -> None:
    """Names of analyses, at least one, or `auto`."""
    names = split(value)
    if value != "auto" and (not names or not set(names) <= set(ANALYSES)):
        raise ValueError(f"some of {', '.join(ANALYSES)}, separated by commas, or auto")


def networks(value: str) -> None:
    """Networks, addresses and hosts, each with or without a port; or nothing."""
    parse(value)


def origins(value: str) -> None:
    """Origins as browsers send them, without a slash at the end; `*`; or nothing."""
    if not all(_ORIGIN.fullmatch(origin) for origin in split(value)):
        raise ValueError("origins such as https://photos.example.org, separated by commas, or *")


def rate(value: str) -> None:
    """Rate limits that Flask-Limiter can read; or nothing."""
    from limits import parse_many

    try:
        if value:
            parse_many(value)
    except ValueError as error:
        raise ValueError("a rate such as 600/minute, or several separated by semicolons") from error


def redis_address(value: str) -> None:
    """An address that redis-py can read; or nothing."""
    from redis.connection import parse_url

    try:
        if value:
            parse_url(value)
    except ValueError as error:
        raise ValueError("a Redis address such as redis://127.0.0.1:6379/0") from error
