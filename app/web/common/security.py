"""Form tokens, response headers and the visitor's cookie."""

import secrets
from datetime import timedelta

from flask import Flask, Response, session
from flask_wtf import CSRFProtect

from app.config.settings import Settings
from app.web.common.sessions import Sessions, cookie_name

# Blueprints without browser forms are exempt: `csrf.exempt(blueprint)`.
csrf = CSRFProtect()

COOKIE_LIFETIME = timedelta(days=365)
VISITOR_BYTES = 16

# Nothing inline and nothing from other hosts. `blob:` is the preview of a photo before its upload.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Whoever has a run's address can open it, so other sites must not see the address.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Pages and results are one visitor's own. Whatever may be kept longer says so itself.
    "Cache-Control": "private, no-cache",
}
HSTS = "max-age=31536000"


def init_app(app: Flask) -> None:
    """Configure cookies, tokens and headers as the settings say."""
    settings: Settings = app.extensions["services"].settings
    app.config.update(
        SESSION_COOKIE_NAME=cookie_name(settings.signing_key()),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.cookie_secure,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=COOKIE_LIFETIME,
        # A page may stay open for days; its token is valid as long as the cookie that it belongs to.
        WTF_CSRF_TIME_LIMIT=None,
        # A valid token is enough. Proxies and privacy settings remove the Referer header, or change its port.
        WTF_CSRF_SSL_STRICT=False,
    )
    app.session_interface = Sessions()
    csrf.init_app(app)
    app.after_request(_add_hsts if settings.cookie_secure else _add_headers)


def visitor() -> str:
    """The owner of this visitor's runs: `v:<128 random bits>` from the signed cookie, created on first use."""
    if "visitor" not in session:
        session["visitor"] = secrets.token_urlsafe(VISITOR_BYTES)
        session.permanent = True
    return f"v:{session['visitor']}"


def is_owner(run_owner: str) -> bool:
    """Whether this visitor is `run_owner`. Sets no cookie."""
    return "visitor" in session and secrets.compare_digest(f"v:{session['visitor']}", run_owner)


def _add_headers(response: Response) -> Response:
    """Add the headers above where a view has not set its own."""
    own = {name.lower() for name in response.headers.keys()}  # noqa: SIM118  Iterating headers gives pairs.
    response.headers.extend([(name, value) for name, value in HEADERS.items() if name.lower() not in own])
    return response


def _add_hsts(response: Response) -> Response:
    response.headers.setdefault("Strict-Transport-Security", HSTS)
    return _add_headers(response)
