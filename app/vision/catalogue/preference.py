"""Which detector MODEL=auto serves and fetches."""

from app.config.settings import Settings
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.engine.device import expects_cuda


def rank(model: Model, settings: Settings) -> float:
    """How much MODEL=auto prefers a model here: the highest of the installed is served."""
    return model.gpu_rank if model.gpu_rank is not None and expects_cuda(settings) else model.rank


def preferred(settings: Settings) -> list[Model]:
    """The detectors of the catalogue that MODEL=auto fetches, best first, until one of them can be had."""
    models = [m for m in load_catalogue().values() if m.analyzer == "objects" and m.sources and rank(m, settings) > 1]
    return sorted(models, key=lambda model: rank(model, settings), reverse=True)
