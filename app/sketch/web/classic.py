"""The classic drawing API: `POST /predict` takes a PNG data URL in the form field `url` and answers with a page."""

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as Redirect

from app.errors import BadRequest, PublicError, UploadTooLarge
from app.intake.body import OVERHEAD
from app.sketch.web.guesser import guesser
from app.sketch.web.pages import error_page
from app.sketch.web.verdict import Verdict, verdict
from app.web.common import limits
from app.web.common.keys import check_key
from app.web.common.origins import check_origin
from app.web.common.security import csrf
from app.web.common.services import services
from app.web.common.sources import decode_base64

blueprint = Blueprint("predict", __name__, template_folder="templates")
blueprint.before_request(check_origin)
blueprint.before_request(check_key)


def init_app(app: Flask) -> None:
    """Attach the API."""
    csrf.exempt(blueprint)  # Programs post to it, and it changes nothing.
    app.register_blueprint(blueprint)
    limits.limit(app, blueprint)


@blueprint.get("/predict")
def show_sheet() -> Redirect:
    """To the page to draw on."""
    return redirect(url_for("draw.page"))


@blueprint.post("/predict")
def predict() -> Response:
    """A page with the animal, or with what is wrong with the drawing."""
    try:
        return make_response(_page(guess=verdict(guesser().from_image(_drawing()))))
    except PublicError as error:
        return error_page(_page(problem=error.message), error)


def _drawing() -> bytes:
    """The bytes of the form's data URL. Raises BadRequest, UploadTooLarge and every error of the body itself."""
    max_bytes = services().settings.max_upload_bytes
    request.max_form_memory_size = max_bytes * 4 // 3 + OVERHEAD
    try:
        url = request.form.get("url")
    except RequestEntityTooLarge as error:
        raise UploadTooLarge(f"This drawing is larger than the maximum of {max_bytes / 2**20:g} MB.") from error
    if url is None:
        raise BadRequest("The form needs the field `url` with the drawing as a PNG data URL.")
    # In a form that was not URL-encoded, + arrives as a blank.
    return decode_base64(url.strip().replace(" ", "+"))


def _page(guess: Verdict | None = None, problem: str = "") -> str:
    return render_template("draw/result.html", guess=guess, problem=problem)
