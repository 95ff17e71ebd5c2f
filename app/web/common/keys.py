"""Who calls: the holder of an API key, or a visitor known by the signed cookie."""

import hmac

from flask import g, request

from app.errors import Forbidden, Unauthorized
from app.store.errors import StoreUnavailable
from app.store.models import ApiKey
from app.web.common.security import is_owner, visitor
from app.web.common.services import services

SCHEME = "Bearer"
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}


def require() -> None:
    """Refuse a key that is not valid, and, where the settings ask for one, a request without it.

    Raises:
        Unauthorized: with the challenge that RFC 6750 asks for.
    """
    if request.method == "OPTIONS":  # a browser's preflight carries no key
        return
    given = _secret() is not None
    if given and _key() is None:
        raise Unauthorized("This API key is not valid.", CHALLENGE)
    if not given and services().settings.api_keys_required:
        raise Unauthorized("This request needs an API key: `Authorization: Bearer <key>`.", CHALLENGE)


def owner() -> str:
    """Whose runs this request makes and lists: `k:<key id>` with a key, else `v:<visitor>`."""
    key = _key()
    return f"k:{key.id}" if key else visitor()


def may_change(run_owner: str) -> None:
    """Raises Forbidden unless the request comes from a run's owner: reading is for all who have its address."""
    key = _key()
    if not (hmac.compare_digest(run_owner, f"k:{key.id}") if key else is_owner(run_owner)):
        raise Forbidden("Only its owner may change a run: use the API key, or keep the cookie, that made it.")


def caller() -> str:
    """What requests are counted and known again by: the valid API key, else the address."""
    try:
        key = _key()
    except StoreUnavailable:  # counting must not be what fails
        key = None
    return f"key:{key.id}" if key else f"address:{request.remote_addr}"


def require_admin() -> None:
    """Raises Forbidden unless the request carries ADMIN_KEY, as a Bearer token or as the form field `key`."""
    wanted = services().settings.admin_key
    given = _secret() or request.form.get("key", "")
    if not wanted or not hmac.compare_digest(wanted.encode(), given.encode("utf-8", "replace")):
        raise Forbidden("This is for administrators: it needs the key from ADMIN_KEY.")


def _secret() -> str | None:
    """The Bearer token of the request, or None where it names no credentials."""
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
