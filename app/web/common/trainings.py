"""Beginning, stopping and resuming trainings."""

from collections.abc import Sequence

from app.datasets.classes import BOTH, CHOICES
from app.errors import BadRequest, PublicError
from app.store.data_sets import Summary
from app.store.models import Training
from app.vision.analyses.offer import installed
from app.vision.catalogue.models import CatalogueError, Model, load_catalogue
from app.vision.catalogue.zoo import find_model
from app.web.common.services import services

MINUTES = (0.1, 10_080)


class NoTrainer(PublicError):
    status, code = 503, "no-trainer"
    message = "No worker of the trainings is running. `make full` installs what it needs; then start the service again."


class Incomplete(PublicError):
    status, code = 409, "data-set-incomplete"


class NothingToResume(PublicError):
    status, code, message = 409, "nothing-to-resume", "Only a training that was stopped or failed can go on."


def bases() -> Sequence[Model]:
    """The detectors of the catalogue that are installed here."""
    folder = services().settings.checkpoints_path
    detectors = [model for model in load_catalogue().values() if model.analyzer == "objects"]
    return [model for model in detectors if installed(model, folder)]


def begin(data_set_id: str, base: str, minutes: float, title: str, classes: str = BOTH) -> Training:
    """Queue a training. Raises NotFound, BadRequest, Incomplete; NoTrainer: nobody would take it."""
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise BadRequest("The effort is at least a tenth of a minute and at most a week.")
    choice = next((choice for choice in CHOICES if choice == classes), None)
    if choice is None:
        raise BadRequest(f"classes must be one of {', '.join(CHOICES)}.")
    if "/" in base:
        raise BadRequest("A base is the name of a model.")
    try:
        find_model(base)
    except CatalogueError as error:
        raise BadRequest(str(error)) from error
    store, jobs = services().store, services().jobs
    summary = store.data_sets.summary(data_set_id)
    if missing := lacking(summary):
        raise Incomplete(missing)
    if not jobs.can_train():
        raise NoTrainer
    training = store.trainings.create(data_set_id, base, minutes, title or summary.data_set.name, choice)
    jobs.enqueue_training(training.id)
    return training


def lacking(summary: Summary) -> str:
    """What a data set lacks to be trained on, in a sentence; empty where it lacks nothing."""
    if not any(each.train for each in summary.classes):
        return "This data set has no photo with objects to learn from."
    if not any(each.validation for each in summary.classes):
        return (
            "This data set has no photo with objects to measure on. Add photos, or make one with a larger share of it."
        )
    return ""


def resume(id: str) -> None:
    """Let a training go on from its last step. Raises NotFound, NothingToResume, NoTrainer."""
    if not services().jobs.can_train():
        raise NoTrainer
    if not services().store.trainings.resume(id):
        raise NothingToResume
    services().jobs.enqueue_training(id)
