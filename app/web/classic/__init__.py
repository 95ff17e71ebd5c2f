"""The APIs of older projects, each a view of the same stored results.

The classic drawing API, `/predict`, belongs to the drawing recogniser (`app/sketch/web/classic.py`).
"""

from flask import Flask

from app.web.classic import classify, data_science, image, pages


def init_app(app: Flask) -> None:
    """Attach them."""
    for module in (classify, image, data_science, pages):
        module.init_app(app)
