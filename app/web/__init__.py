"""Everything HTTP: pages, the API, the classic APIs, health."""

from importlib import import_module

from flask import Flask

# Each module offers `init_app(app)`. The drawing recogniser adds its operations to the API, so it comes first.
MODULES = (
    "app.web.common.errors",
    "app.web.common.json_input",
    "app.web.common.security",
    "app.web.common.limits",
    "app.web.ops",
    "app.web.pages",
    "app.sketch.web",
    "app.web.api",
    "app.web.classic",
)


def init_app(app: Flask) -> None:
    """Attach every part of the web process to the application."""
    for module in MODULES:
        import_module(module).init_app(app)
