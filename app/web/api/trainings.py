"""Trainings: what becomes a version. For administrators."""

from typing import Any

from flask import Response

from app.store.models import Training
from app.web.api import schemas
from app.web.api.blueprint import api, describe, json_response
from app.web.common import inputs, trainings
from app.web.common.keys import check_admin
from app.web.common.services import services


@api.post(
    "/trainings",
    operation_id="createTraining",
    summary="Begin a training",
    responses=describe(403, 404, s202=schemas.TrainingOut),
)
def create_training(body: inputs.TrainingNew) -> Response:
    """Train a model on a data set. It runs on a worker of its own; 503 `no-trainer` where there is none."""
    check_admin()
    training = trainings.begin(body.data_set, body.base, body.minutes, body.title, body.classes)
    return json_response(_json(training), 202)


@api.get(
    "/trainings",
    operation_id="listTrainings",
    summary="List the trainings",
    responses=describe(403, s200=schemas.TrainingList),
)
def list_trainings() -> Response:
    """Every training, newest first."""
    check_admin()
    listed = [_json(training) for training in services().store.trainings.all()]
    return json_response({"trainings": listed, "can_train": services().jobs.can_train()})


@api.get(
    "/trainings/<training_id>",
    operation_id="getTraining",
    summary="Get a training",
    responses=describe(403, 404, s200=schemas.TrainingOut),
)
def get_training(path: inputs.TrainingPath) -> Response:
    """A training and how far it is."""
    check_admin()
    return json_response(_json(services().store.trainings.get(path.training_id)))


@api.post(
    "/trainings/<training_id>/stop",
    operation_id="stopTraining",
    summary="Stop a training",
    responses=describe(403, 404, s200=schemas.TrainingOut),
)
def stop_training(path: inputs.TrainingPath) -> Response:
    """Stop a training after its current step, which is saved."""
    check_admin()
    services().store.trainings.stop(path.training_id)
    return json_response(_json(services().store.trainings.get(path.training_id)))


@api.post(
    "/trainings/<training_id>/resume",
    operation_id="resumeTraining",
    summary="Resume a training",
    responses=describe(403, 404, 409, s200=schemas.TrainingOut),
)
def resume_training(path: inputs.TrainingPath) -> Response:
    """Let a training that was stopped or failed go on from its last step."""
    check_admin()
    trainings.resume(path.training_id)
    return json_response(_json(services().store.trainings.get(path.training_id)))


@api.delete(
    "/trainings/<training_id>",
    operation_id="deleteTraining",
    summary="Delete a training",
    responses=describe(403, 404, 409, s204={"description": "The training is deleted."}),
)
def delete_training(path: inputs.TrainingPath) -> Response:
    """Delete a training that does not run, with what it needs to go on. The version that it became stays."""
    check_admin()
    services().store.trainings.delete(path.training_id)
    return Response(status=204)


def _json(training: Training) -> dict[str, Any]:
    return {
        "id": training.id,
        "title": training.title,
        "data_set": training.data_set_id,
        "base": training.base,
        "classes": training.classes,
        "minutes": training.minutes,
        "state": training.state,
        "error": training.error,
        "progress": training.progress,
        "version": training.version_id,
        "created_at": training.created_at.isoformat(),
    }
