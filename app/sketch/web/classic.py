"""The older drawing app's form: `POST /predict`, a PNG data URL in the field `url`, answers the page of the result."""

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as Redirect

from app.errors import BadRequest, PublicError, UploadTooLarge
from app.intake.body import OVERHEAD
from app.sketch.web.guessing import guesser
from app.sketch.web.pages import refused
from app.sketch.web.shown import Shown, shown
from app.web.common import limits
from app.web.common.keys import require
from app.web.common.security import csrf
from app.web.common.services import services
from app.web.common.sources import decode_base64

blueprint = Blueprint("predict", __name__)
blueprint.before_request(require)


def init_app(app: Flask) -> None:
    """Attach it."""
    csrf.exempt(blueprint)  # programs post to it, and it changes nothing
    app.register_blueprint(blueprint)
    limits.limit(app, blueprint)


@blueprint.get("/predict")
def begin() -> Redirect:
    """Where to draw."""
    return redirect(url_for("draw.page"))


@blueprint.post("/predict")
def predict() -> Response:
    """The page of the result: the animal, or what is wrong with the drawing."""
    try:
        return make_response(_page(guess=shown(guesser().image(_drawing()))))
    except PublicError as error:
        return refused(_page(problem=error.message), error)


def _drawing() -> bytes:
    """The bytes of the form's data URL. Raises BadRequest, UploadTooLarge and every error of the body itself."""
    most = services().settings.max_upload_bytes
    request.max_form_memory_size = most * 4 // 3 + OVERHEAD
    try:
        url = request.form.get("url")
    except RequestEntityTooLarge as error:
        raise UploadTooLarge(f"This drawing is larger than {most / 2**20:g} MB, the most that is taken.") from error
    if url is None:
        raise BadRequest("The form needs the field `url` with the drawing as a PNG data URL.")
    # A form that was not quoted has its + turned into blanks.
    return decode_base64(url.strip().replace(" ", "+"))


def _page(guess: Shown | None = None, problem: str = "") -> str:
    return render_template("draw_result.html", guess=guess, problem=problem)
