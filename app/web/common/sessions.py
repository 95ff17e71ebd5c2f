"""The visitor's session: a signed cookie that is this instance's own, on a host that it may share with others."""

import hmac
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Request, g, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from app.web.common.origins import is_cross_site_change

# Before the first release after 1.0.0, every instance gave its cookie this name.
SHARED_NAME = "visitor"


def cookie_name(signing_key: str) -> str:
    """The cookie's name: browsers send it to every port of a host, so each instance has one of its own."""
    return f"{SHARED_NAME}_{hmac.digest(signing_key.encode(), b'cookie name', 'sha256').hex()[:8]}"


class Sessions(SecureCookieSessionInterface):
    """Flask's signed cookies, on the path under which a proxy serves the application."""

    def get_cookie_path(self, app: Flask) -> str:
        return request.script_root or "/"

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether browsers may send the cookie over HTTPS only: it was made there, or the settings say so."""
        return request.is_secure or super().get_cookie_secure(app)

    def get_cookie_name(self, app: Flask) -> str:
        """With the prefix that keeps plain HTTP, and other hosts, from setting a secure cookie (RFC 6265bis)."""
        name = super().get_cookie_name(app)
        if not self.get_cookie_secure(app):
            return name
        return f"__Host-{name}" if self.get_cookie_path(app) == "/" else f"__Secure-{name}"

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Never for what another site's page asks for: it comes without the visitor's cookie, and would replace it.

        A valid form token came from a page of ours, also where a proxy hides the port that the browser names.
        """
        ours = g.get("csrf_valid", False) or not is_cross_site_change(request)
        return ours and super().should_set_cookie(app, session)

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession:
        """The session that the request's cookie holds, else an empty one."""
        if not request.cookies:
            return SecureCookieSession()
        serializer = self.get_signing_serializer(app)
        assert serializer is not None, "create_app sets the signing key"
        max_age = int(app.permanent_session_lifetime.total_seconds())
        own = self.get_cookie_name(app)
        for name in (own, super().get_cookie_name(app), SHARED_NAME):
            if name not in request.cookies:
                continue
            with suppress(BadSignature):
                session = SecureCookieSession(_load(serializer, request.cookies[name], max_age))
                session.modified = name != own  # So that it is kept under its present name.
                return session
        return SecureCookieSession()


def _load(serializer: URLSafeTimedSerializer, cookie: str, max_age: int) -> Any:
    """What a cookie holds. Raises BadSignature.

    One that was signed in the future counts as signed now: the server's clock has been set back since.
    """
    try:
        return serializer.loads(cookie, max_age=max_age)
    except SignatureExpired as expired:
        if expired.date_signed is None or expired.date_signed < datetime.now(UTC):
            raise
        return serializer.load_payload(expired.payload or b"")
