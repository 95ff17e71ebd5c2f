"""Who sends a request: the holder of an API key, or a visitor known by the signed cookie."""

import hmac

from flask import g, request, session

from app.errors import Forbidden, Unauthorized
from app.store.errors import StoreUnavailable
from app.store.models import ApiKey
from app.system.addresses import network_of
from app.web.common.guesses import check_guesses, count_guess
from app.web.common.security import is_owner, visitor
from app.web.common.services import services

SCHEME = "Bearer"
ADMINS_ONLY = "Only administrators can do this. It needs the key from ADMIN_KEY."
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}


def check_key() -> None:
    """Reject an invalid API key, and a request without one where the settings require it.

    Raises:
        Unauthorized: with the challenge of RFC 6750.
    """
    if request.method == "OPTIONS":  # A browser's preflight request carries no key.
        return
    given = _secret() is not None
    if given and _key() is None:
        check_guesses()
        if not is_admin_key(_secret() or ""):
            count_guess()
            raise Unauthorized("This API key is not valid.", CHALLENGE)
    if not given and services().settings.api_keys_required:
        raise Unauthorized("This request needs an API key: `Authorization: Bearer <key>`.", CHALLENGE)


def request_owner() -> str:
    """The owner of the runs that this request creates or lists: `k:<key id>` with a key, else `v:<visitor>`."""
    key = _key()
    return f"k:{key.id}" if key else visitor()


def caller_owns(run_owner: str) -> bool:
    """Whether a run belongs to the API key of the request, else to its visitor."""
    key = _key()
    return hmac.compare_digest(run_owner, f"k:{key.id}") if key else is_owner(run_owner)


def check_owner(run_owner: str) -> None:
    """Raises Forbidden unless the request comes from a run's owner. Reading needs only the run's address."""
    if not caller_owns(run_owner):
        raise Forbidden("Only the owner of a run can change it. Use the API key or the cookie that created it.")


def check_corrector(run_owner: str) -> None:
    """Raises Forbidden unless the request comes from a run's owner, or with any API key."""
    if not _key() and not caller_owns(run_owner):
        raise Forbidden("Only the owner of a run, or the holder of an API key, can correct it.")


def caller() -> str:
    """What rate limits are counted by: the valid API key, else the network of the address."""
    try:
        key = _key()
    except StoreUnavailable:  # Counting a request must not make it fail.
        key = None
    return f"key:{key.id}" if key else f"address:{network_of(request.remote_addr)}"


def visitor_or_caller() -> str:
    """What tells clients of one address apart: the API key, else the visitor of the signed cookie, else the address."""
    known = caller()
    return f"visitor:{session['visitor']}" if "visitor" in session and not known.startswith("key:") else known


def check_admin() -> None:
    """The request must carry ADMIN_KEY, as a Bearer token or as the form field `key`.

    Raises:
        Forbidden: it does not. TooManyGuesses: nor did many before it, so it is not looked at.
    """
    check_guesses()
    given = _secret() or request.form.get("key", "")
    if not is_admin_key(given):
        if given:
            count_guess()
        raise Forbidden(ADMINS_ONLY)


def is_admin_key(given: str) -> bool:
    """Whether a text is ADMIN_KEY. Nothing is where that is not set."""
    expected = services().settings.admin_key
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _secret() -> str | None:
    """The Bearer token of the request; None without credentials, empty for another scheme."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, secret = header.partition(" ")
    return secret.strip() if scheme.lower() == SCHEME.lower() else ""


def _key() -> ApiKey | None:
    """The valid API key of the request, looked up once."""
    secret = _secret()
    if not secret:
        return None
    if "api_key" not in g:
        g.api_key = services().store.keys.find(secret)
    key: ApiKey | None = g.api_key
    return key
