"""Everything HTTP: pages, the API, the classic APIs, health."""

from importlib import import_module

from flask import Flask

# Each module has a function `init_app(app)`. The drawing recogniser adds operations to the API, so it comes before it.
MODULES = (
    "app.web.common.access_log",  # so that every later hook and every error knows the request's id
    "app.web.common.errors",
    "app.web.common.bodies",
    "app.web.common.proxies",  # refuses unknown names before anything is done for them
    "app.web.common.security",
    "app.web.common.assets",
    "app.web.common.packing",
    "app.web.common.waiting",
    "app.web.common.limits",
    "app.web.common.guesses",
    "app.web.common.costs",
    "app.web.common.words",
    "app.web.common.navigation",
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
