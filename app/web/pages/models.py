"""What answers here: the models, how good they are, what they miss, and where photos are processed."""

from dataclasses import dataclass

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from app.vision.analyses.analysis import Analysis
from app.vision.analyses.registry import analyses
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.results import ModelCard
from app.web.common.services import services
from app.web.pages.status import service_status

pages = Blueprint("models", __name__)


@dataclass(frozen=True)
class Answering:
    """A model that answers now. known: its entry in the catalogue, None where it has none."""

    analysis: Analysis
    card: ModelCard
    known: Model | None


@pages.get("/models")
def page() -> ResponseReturnValue:
    """The models that answer now."""
    status = service_status()
    answering = [
        Answering(analysis, card, _known(card)) for analysis in analyses() if (card := status.cards.get(analysis.name))
    ]
    retention = services().settings.retention_days
    return render_template("models.html", answering=answering, status=status, retention=retention)


def _known(card: ModelCard) -> Model | None:
    """The catalogue's entry of a model. What was measured of its weights says nothing of others in their place."""
    model = load_catalogue().get(card.model)
    return model if model and card.checkpoint.startswith(model.sha256) else None
