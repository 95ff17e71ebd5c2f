"""The `flask` commands."""

from importlib import import_module

from flask import Flask

# Each module offers `init_app(app)`, which adds its commands to `app.cli`.
COMMANDS = ("models", "versions", "cleanup", "keys")


def init_app(app: Flask) -> None:
    """Attach every command to the application."""
    for name in COMMANDS:
        import_module(f"app.cli.{name}").init_app(app)
