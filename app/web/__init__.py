"""Everything HTTP: pages, the API, the classic APIs, health."""

from importlib import import_module
from typing import cast

from flask import Flask, current_app

from app.services import Services

# Each module offers `init_app(app)`.
ROOMS = ("errors", "json_input", "security", "limits", "ops", "pages", "api", "draw", "classic")


def init_app(app: Flask) -> None:
    """Attach every room of the web process to the application."""
    for room in ROOMS:
        import_module(f"app.web.{room}").init_app(app)


def services() -> Services:
    """The services of the application that handles this request."""
    return cast(Services, current_app.extensions["services"])
