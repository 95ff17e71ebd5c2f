"""`/draw`: the page to draw on, the guesses while drawing, and the form for browsers without JavaScript."""

from typing import Any

from flask import Blueprint, Flask, Response, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.errors import NotAPhoto, PublicError
from app.sketch.web.api import MAX_POINTS, guess_json, recognise_json
from app.sketch.web.guesser import NothingDrawn, guesser
from app.sketch.web.verdict import OTHER, bars, verdict
from app.web.common import limits, navigation
from app.web.common.bodies import file_bytes
from app.web.common.security import csrf, visitor

# While its lines grow, a drawing is guessed up to 17 times a second. This is counted apart from the photos, so that
# drawing does not use up their limit, and per visitor, so that a school class behind one address can draw.
RATE = "3000/minute"
ADDRESS_RATE = "15000/minute"
NO_FILE = "Choose a picture of a drawing first."

pages = Blueprint("draw", __name__, url_prefix="/draw", template_folder="templates")


def init_app(app: Flask) -> None:
    """Attach the page."""
    csrf.exempt(live)  # Changes and stores nothing, needs no cookie; other sites cannot post JSON without CORS.
    app.register_blueprint(pages)
    limits.limit(app, pages, rate=RATE, address_rate=ADDRESS_RATE, scope="draw")
    navigation.add(app, "draw.page", "Draw", after="start.start")


@pages.get("")
def page() -> str:
    """The sheet to draw on."""
    visitor()  # With a cookie, the visitor is counted apart from others behind the same address.
    return _page()


@pages.post("")
def upload() -> Response:
    """The guess for a picture, on the same page."""
    file = request.files.get("drawing")
    try:
        data = file_bytes(file) if file else b""
        if not data:
            raise NothingDrawn(NO_FILE)
        return make_response(_page(guess=verdict(guesser().from_image(data))))
    except PublicError as error:
        return error_page(_page(problem=error.message), error)


@pages.post("/guess")
def live() -> ResponseReturnValue:
    """The guess for the strokes of an unfinished drawing, with its verdict. Here a blank sheet is not an error."""
    if request.mimetype != "application/json":
        raise NotAPhoto("Send the strokes as JSON.")
    try:
        recognition = recognise_json()
        return jsonify(guess_json(recognition.guess) | verdict(recognition).to_json())
    except NothingDrawn as nothing:
        return jsonify(answer=None, message=nothing.message)


def error_page(page: str, error: PublicError) -> Response:
    """A page that shows an error, with the error's status."""
    response = make_response(page, error.status)
    response.headers.update({"Cache-Control": "no-store", **error.headers})
    return response


def _page(**more: Any) -> str:
    return render_template("draw/page.html", **({"empty": bars(), "other": OTHER, "max_points": MAX_POINTS} | more))
