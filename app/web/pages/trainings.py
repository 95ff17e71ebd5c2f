"""Trainings: begin one, watch it, stop it, let it go on. For administrators."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.datasets.classes import BOTH
from app.datasets.compared import BASE, TRAINED, TRUTH, Compared, load
from app.errors import BadRequest
from app.store.states import FINISHED
from app.store.trainings import PHOTOS
from app.web.common import compared, trainings
from app.web.common.admin import admins_only
from app.web.common.services import services

pages = Blueprint("trainings", __name__, url_prefix="/trainings")
pages.before_request(admins_only)
# Of the picture of a curve.
WIDTH, HEIGHT = 320, 90
# The states, as a page says them.
STATES = {"queued": "waiting", "running": "running", "done": "done", "failed": "failed", "cancelled": "stopped"}
# Who says what is in a photo, as a page says it.
LAYERS = {BASE: "Before", TRAINED: "Now", TRUTH: "The truth"}
# Seconds after which a page without JavaScript loads again.
REFRESH = 5


@dataclass(frozen=True)
class Curve:
    """A curve of a training. points: of an SVG polyline; last: the newest value."""

    title: str
    points: str
    last: float


@pages.get("")
def page() -> ResponseReturnValue:
    """Every training, and the form for a new one."""
    store = services().store
    return render_template(
        "trainings.html",
        trainings=store.trainings.all(),
        states=STATES,
        chosen=request.args.get("data_set"),
        sets=store.data_sets.summaries(),
        bases=trainings.bases(),
        can_train=services().jobs.can_train(),
        no_trainer=trainings.NoTrainer.message,
    )


@pages.post("")
def begin() -> ResponseReturnValue:
    """Begin a training."""
    form = request.form
    try:
        minutes = float(form.get("minutes", "10"))
    except ValueError as error:
        raise BadRequest("The effort is a number of minutes.") from error
    title = " ".join(form.get("title", "").split())
    asked = (form.get("data_set", ""), form.get("base", "starter"), minutes, title, form.get("classes", BOTH))
    training = trainings.begin(*asked)
    return redirect(url_for(".one", id=training.id), 303)


@pages.get("/<id>")
def one(id: str) -> ResponseReturnValue:
    """A training: how far it is, its curves, and what it became."""
    training = services().store.trainings.get(id)
    known = training.progress
    curves = [_curve("Loss", known.get("loss", [])), _curve("Box AP, percent", known.get("ap", []))]
    finished = training.state in FINISHED
    photos = services().store.trainings.kept(id, PHOTOS) or b""
    return render_template(
        "training.html",
        training=training,
        curves=[curve for curve in curves if curve],
        finished=finished,
        refresh=None if finished else REFRESH,
        photos=_photos(photos),
        version=hashlib.sha256(photos).hexdigest()[:12],
        layers=LAYERS,
    )


@pages.get("/<id>/photos/<sha256>/<layer>")
def picture(id: str, sha256: str, layer: str) -> Response:
    """One of the validation photos that are watched, with its truth, or with what the base or the training finds."""
    return compared.picture(_photos(services().store.trainings.kept(id, PHOTOS)), sha256, layer)


@pages.post("/<id>/delete")
def delete(id: str) -> ResponseReturnValue:
    """Delete a training that does not run."""
    services().store.trainings.delete(id)
    flash("The training was deleted.")
    return redirect(url_for(".page"), 303)


@pages.post("/<id>/stop")
def stop(id: str) -> ResponseReturnValue:
    """Stop a training after its current step."""
    services().store.trainings.stop(id)
    flash("It stops after the current step.")
    return redirect(url_for(".one", id=id), 303)


@pages.post("/<id>/resume")
def resume(id: str) -> ResponseReturnValue:
    """Let a training that was stopped or failed go on."""
    trainings.resume(id)
    return redirect(url_for(".one", id=id), 303)


def _photos(data: bytes | None) -> list[Compared]:
    return load(data) if data else []


def _curve(title: str, values: Sequence[Sequence[float]]) -> Curve | None:
    """A curve through (step, value); None before its first value."""
    known = [(step, value) for step, value in values if value is not None]
    if not known:
        return None
    last_step, top = max(step for step, _ in known), max(max(value for _, value in known), 1e-9)
    spots = [f"{WIDTH * step / max(last_step, 1):.1f},{HEIGHT * (1 - value / top):.1f}" for step, value in known]
    return Curve(title, " ".join(spots), known[-1][1])
