"""The page that asks administrators for their key."""

import re

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.web.common import admin
from app.web.common.services import services

# Browsers read two slashes, or a backslash, as another host, and drop tabs and line breaks before they look.
_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x7e]*")
pages = Blueprint("admin", __name__, url_prefix="/admin")


@pages.get("")
def page() -> ResponseReturnValue:
    """Ask for ADMIN_KEY, or say how to set one; offer to sign out."""
    return _page()


@pages.post("")
def sign_in() -> ResponseReturnValue:
    """Sign in with ADMIN_KEY, and go on to where the visitor came from."""
    if not admin.sign_in(request.form.get("key", "")):
        return _page(wrong=True), 403
    return redirect(_next() or url_for(".page"), 303)


@pages.post("/out")
def sign_out() -> ResponseReturnValue:
    """Sign out."""
    admin.sign_out()
    flash("You are signed out.")
    return redirect(url_for(".page"), 303)


def _page(*, wrong: bool = False) -> str:
    known = {"key_is_set": bool(services().settings.admin_key), "signed_in": admin.is_admin()}
    return render_template("admin.html", next=_next(), wrong=wrong, **known)


def _next() -> str:
    """Where to go on: a path of this site, never another's."""
    path = request.values.get("next", "")
    return path if _OWN_PATH.fullmatch(path) else ""
