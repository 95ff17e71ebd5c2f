"""Administrators at the pages: whoever has given ADMIN_KEY in this browser."""

import hmac

from flask import redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from app.errors import Forbidden
from app.web.common.guesses import check_guesses, count_guess
from app.web.common.keys import ADMINS_ONLY, is_admin_key
from app.web.common.services import services

NAME = "admin"


def sign_in(key: str) -> bool:
    """Note in the visitor's cookie that this browser gave ADMIN_KEY; whether it did.

    Raises TooManyGuesses: many gave another one, so this one is not looked at.
    """
    check_guesses()
    if not is_admin_key(key):
        count_guess()
        return False
    session[NAME], session.permanent = _mark(), True
    return True


def sign_out() -> None:
    """Forget that this browser gave the key."""
    session.pop(NAME, None)


def is_admin() -> bool:
    """Whether this browser has given the ADMIN_KEY that is set now."""
    given = session.get(NAME)
    return bool(services().settings.admin_key) and isinstance(given, str) and hmac.compare_digest(given, _mark())


def admins_only() -> ResponseReturnValue | None:
    """For `before_request` of a blueprint: lead visitors to the page that asks for the key, and refuse their forms."""
    if is_admin():
        return None
    if request.method != "GET":
        raise Forbidden(ADMINS_ONLY)
    return redirect(url_for("admin.page", next=request.full_path.rstrip("?")), 303)


def _mark() -> str:
    """What the cookie holds: it ends with the key, and does not give it away."""
    settings = services().settings
    return hmac.digest(settings.signing_key().encode(), b"admin:" + settings.admin_key.encode(), "sha256").hex()
