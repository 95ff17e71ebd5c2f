"""Flask Detector: finds objects in photos. `create_app` is the web process's entry."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.queue.services import Services


def create_app(services: "Services | None" = None) -> "Flask":
    """Build the Flask application.

    Args:
        services: settings, store and queue to use. When None, they are read from the environment, and logging is
            configured as it says.

    Raises:
        SettingsError: a setting is malformed or misspelt.
    """
    from flask import Flask

    from app import cli, web
    from app.config.settings import Settings
    from app.queue.services import Services
    from app.system.logs import configure_logging

    if services is None:
        settings = Settings.from_env()
        configure_logging(settings.log_level, settings.log_format)
        services = Services.from_settings(settings)
    app = Flask(__name__)
    app.url_map.strict_slashes = False  # `/docs/` is `/docs`.
    app.extensions["services"] = services
    app.config["SECRET_KEY"] = services.settings.signing_key()
    web.init_app(app)
    cli.init_app(app)
    return app
