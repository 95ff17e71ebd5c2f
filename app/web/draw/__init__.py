"""Draw and recognise: a page to draw on, and the older drawing app's own form."""

from flask import Flask

from app.web import guessing
from app.web.draw import classic, pages


def init_app(app: Flask) -> None:
    """Attach them, and the recogniser that they and the API share."""
    guessing.init_app(app)
    pages.init_app(app)
    classic.init_app(app)
