"""Correcting one photo: without scripts a list in which each object is right, wrong or something else."""

from dataclasses import dataclass, replace

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.errors import CorrectedMeanwhile, Forbidden
from app.store.models import Run
from app.vision.analyses.objects.correction import Corrected, CorrectedObject, model_objects
from app.vision.analyses.objects.result import Instances
from app.vision.render.palette import colours_apart
from app.vision.results import Analysed
from app.web.common import corrections
from app.web.common.bodies import read_json
from app.web.common.inputs import CorrectedIn, CorrectionIn, validated
from app.web.common.security import is_owner
from app.web.common.services import services
from app.web.pages.run import STAGE_SIZE

pages = Blueprint("correct", __name__, url_prefix="/runs/<run_id>/correct")
# Guesses below the threshold that are offered.
MAX_WEAKER = 12
# Of its longer side, around an object in its picture.
MARGIN = 0.15


@dataclass(frozen=True)
class Choice:
    """An object that can be right or wrong. key: its name in the form; view: x y w h of its picture in the photo."""

    key: str
    object: CorrectedObject
    kept: bool
    colour: str

    @property
    def view(self) -> str:
        x1, y1, x2, y2 = self.object.box
        margin = MARGIN * max(x2 - x1, y2 - y1)
        return f"{x1 - margin:.1f} {y1 - margin:.1f} {x2 - x1 + 2 * margin:.1f} {y2 - y1 + 2 * margin:.1f}"


@pages.get("")
def page(run_id: str) -> ResponseReturnValue:
    """What was found, as far as it was corrected, to be accepted, rejected or renamed."""
    run = _own_run(run_id)
    analysed, answer = corrections.model_answer(run)
    corrected = corrections.current(run, answer)
    return render_template(
        "correct.html",
        run=run,
        choices=_choices(corrected, answer),
        classes=corrected.instances(analysed.card.classes).classes,
        threshold=corrections.threshold(run),
        batch=request.args.get("batch") or None,
        stage_size=STAGE_SIZE,
    )


@pages.post("")
def correct(run_id: str) -> ResponseReturnValue:
    """Keep what the form says, where nobody has corrected the photo since it was shown."""
    run = _own_run(run_id)
    analysed, answer = corrections.model_answer(run)
    version = request.form.get("version", "")
    try:
        corrected = _corrected(run, analysed, answer)
        corrections.keep(run, answer, corrected, int(version) if version.isdecimal() and len(version) < 9 else 0)
    except CorrectedMeanwhile:
        flash("This photo was corrected meanwhile, in another tab or by somebody else. Here it is as it is now.")
        return redirect(url_for(".page", run_id=run.id), 303)
    if request.form.get("then") == "next":
        return redirect(url_for("teach.next_photo", after=run.id, batch=request.form.get("batch") or None), 303)
    return redirect(url_for("run.page", run_id=run.id), 303)


@pages.get("/state")
def state(run_id: str) -> Response:
    """The correction as JSON for the editor: as the API has it, with colours and with the guesses that are not kept."""
    return _state(_own_run(run_id))


@pages.put("/state")
def keep_state(run_id: str) -> Response:
    """Keep a step of the editor, in the shape of the API. A newer version is answered 409."""
    run = _own_run(run_id)
    corrections.correct(run, read_json(CorrectionIn, corrections.MAX_VALUES))
    return _state(services().store.get_run(run.id))


def _state(run: Run) -> Response:
    _, answer = corrections.model_answer(run)
    choices = _choices(corrections.current(run, answer), answer)
    guesses = [corrections.describe_object(choice.object) for choice in choices if not choice.kept]
    colours = {choice.object.name: choice.colour for choice in choices}
    response = jsonify(corrections.describe(run) | {"guesses": guesses, "colours": colours})
    response.headers["Cache-Control"] = "no-store"
    return response


def _own_run(run_id: str) -> Run:
    run = services().store.get_run(run_id)
    if not is_owner(run.owner):
        raise Forbidden("Only the person who sent this photo can correct it.")
    return run


def _choices(corrected: Corrected, answer: Instances) -> list[Choice]:
    """The objects of a correction, and the best of the model's that are not among them."""
    taken = {o.origin for o in corrected.objects}
    weaker = sorted((o for o in model_objects(answer) if o.origin not in taken), key=lambda o: -o.score)[:MAX_WEAKER]
    colours = colours_apart(o.name for o in [*corrected.objects, *weaker])
    kept = [Choice(f"o{place}", o, True, colours[o.name]) for place, o in enumerate(corrected.objects)]
    return kept + [Choice(f"m{o.origin}", o, False, colours[o.name]) for o in weaker]


def _corrected(run: Run, analysed: Analysed, answer: Instances) -> Corrected:
    """What the form says: ticked objects are right, by the class that was written; the others are not there."""
    before = corrections.current(run, answer)
    classes = before.instances(analysed.card.classes).classes
    ticked = set(request.form.getlist("keep"))
    objects = [
        replace(choice.object, name=_name(choice, classes), accepted=True)
        for choice in _choices(before, answer)
        if choice.key in ticked
    ]
    corrected = Corrected(answer.size, tuple(objects))
    return corrected if request.form.get("then") == "save" else corrected.checked_now()


def _name(choice: Choice, classes: tuple[str, ...]) -> str:
    written = request.form.get(f"name-{choice.key}", "").strip() or choice.object.name
    return corrections.known_name(validated(CorrectedIn, {"class": written}).class_name, classes)
