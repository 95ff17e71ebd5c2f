"""The pages: one small blueprint a topic."""

from flask import Flask

from app.web.pages import batch, history, run, start, status, words


def init_app(app: Flask) -> None:
    """Attach the pages and what all of their templates use."""
    for page in (start, run, history, batch):
        app.register_blueprint(page.pages)
    words.init_app(app)
    status.init_app(app)
