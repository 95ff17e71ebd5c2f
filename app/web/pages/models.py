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


# What goes wrong with a model's own weights, in photos of `test_images`: file, words, width and height.
FAILURES = {
    "starter": (
        ("cat_failure.webp", "One cat, found twice: the second time in the background.", 440, 293),
        ("coffee_failure.webp", "A cup, also taken for a bowl; saucer and spoon are missed.", 440, 293),
    )
}


@dataclass(frozen=True)
class Answering:
    """A model that answers now. known: its entry in the catalogue, None where it has none."""

    analysis: Analysis
    card: ModelCard
    known: Model | None

    @property
    def failures(self) -> tuple[tuple[str, str, int, int], ...]:
        """Pictures of what goes wrong with it."""
        return FAILURES.get(self.known.name, ()) if self.known else ()


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
