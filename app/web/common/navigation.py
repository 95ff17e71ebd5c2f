"""The main navigation: every page adds its own link."""

from dataclasses import dataclass

from flask import Flask


@dataclass(frozen=True)
class Link:
    """A link of the navigation."""

    endpoint: str
    text: str

    @property
    def blueprint(self) -> str:
        """The blueprint whose pages mark the link as the current one."""
        return self.endpoint.split(".")[0]


def init_app(app: Flask) -> None:
    """Offer the links to the templates as `navigation`."""
    app.extensions["navigation"] = app.jinja_env.globals["navigation"] = []


def add(app: Flask, endpoint: str, text: str, after: str = "") -> None:
    """Add a link to an endpoint, at the end or after the link to another endpoint."""
    links: list[Link] = app.extensions["navigation"]
    places = [index for index, link in enumerate(links, 1) if link.endpoint == after]
    links.insert(places[0] if places else len(links), Link(endpoint, text))
