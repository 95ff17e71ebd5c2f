"""The services of the current application."""

from typing import cast

from flask import current_app

from app.queue.services import Services


def services() -> Services:
    """Settings, store and queue of the current application."""
    return cast(Services, current_app.extensions["services"])
