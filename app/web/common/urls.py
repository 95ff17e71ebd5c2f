"""Absolute URLs of this service."""

from flask import request

from app.web.common.services import services


def absolute_url(path: str) -> str:
    """The absolute URL of a path that `url_for` returned, with PUBLIC_URL or else the request's host."""
    root = services().settings.public_url or request.url_root
    return root.rstrip("/") + path.removeprefix(request.script_root)
