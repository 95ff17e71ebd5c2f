"""The drawing recogniser on the web: its page, its API, and the older drawing app's own form."""

from flask import Flask

from app.sketch.web import api, classic, guessing, pages

__all__ = ["api", "init_app"]


def init_app(app: Flask) -> None:
    """Attach the pages, and the recogniser that they and the API share. To be called before the API is registered."""
    guessing.init_app(app)
    pages.init_app(app)
    classic.init_app(app)
