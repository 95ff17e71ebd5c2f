"""The drawing recogniser on the web: its page, its API, and the classic drawing API `/predict`."""

from flask import Flask

from app.sketch.web import api, classic, guesser, pages

__all__ = ["api", "init_app"]


def init_app(app: Flask) -> None:
    """Attach the pages, and the recogniser that they share with the API. Call it before the API is registered."""
    guesser.init_app(app)
    pages.init_app(app)
    classic.init_app(app)
