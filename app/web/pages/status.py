"""Whether the service is ready, and with which models: the line in every page's header."""

from dataclasses import dataclass, field

from flask import Blueprint, Flask, Response, current_app, g, jsonify
from redis.exceptions import RedisError

from app.errors import PublicError
from app.vision.analyses.registry import analyses
from app.vision.results import ModelCard
from app.web.common.detectors import Detector, compare
from app.web.common.services import services

pages = Blueprint("status", __name__)
READY, STARTING, UNAVAILABLE = "ready", "starting", "away"


@dataclass(frozen=True)
class Status:
    """What the workers and the queue report.

    state: ready, starting (no worker yet) or away (the queue does not answer); cards: the announced models by
    analysis; missing: the analyses that no worker offers, each with the step that adds it.
    """

    state: str
    cards: dict[str, ModelCard] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The line in the header."""
        if self.state == UNAVAILABLE:
            return "Not available right now"
        if self.state == STARTING:
            return "Getting ready"
        card = self.cards.get("objects") or next(iter(self.cards.values()), None)
        return f"Ready · {card.title}" if card else "Ready"

    @property
    def detectors(self) -> list[Detector]:
        """Which model finds objects, and what the others would give."""
        return compare(self.cards.get("objects"))

    @property
    def notes(self) -> list[str]:
        """Notes on stand-in models, and on analyses that are not available."""
        titles = {analysis.name: analysis.title for analysis in analyses()}
        missing = [
            f"{titles[name]}: not available yet. {step}" for name, step in self.missing.items() if name in titles
        ]
        return list(dict.fromkeys([*(card.note for card in self.cards.values() if card.note), *missing]))


def init_app(app: Flask) -> None:
    """Offer `service_status()` to the templates."""
    app.jinja_env.globals.update(service_status=service_status)


@pages.get("/status")
def service() -> Response:
    """The line in the header as JSON, for pages that stay open."""
    status = service_status()
    response = jsonify(state=status.state, line=status.line)
    response.headers["Cache-Control"] = "no-store"
    return response


def service_status() -> Status:
    """The current status, asked for once in a request. Never fails, because error pages show it too."""
    if "service_status" not in g:
        g.service_status = _status()
    status: Status = g.service_status
    return status


def _status() -> Status:
    try:
        queue = services().jobs.status()
    except (RedisError, PublicError) as error:
        current_app.logger.warning("The queue does not answer: %s", error)
        return Status(UNAVAILABLE)
    return Status(READY if queue.ready else STARTING, queue.cards, queue.missing)
