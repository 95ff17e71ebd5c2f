"""`/draw`: the page to draw on, the guesses while drawing, and the form for those without scripts."""

from typing import Any

from flask import Blueprint, Flask, Response, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.errors import NotAPhoto, PublicError
from app.sketch.web.api import MOST_POINTS, body, guess_json
from app.sketch.web.guessing import NothingDrawn, guesser
from app.sketch.web.shown import OTHER, bars, shown
from app.web.common import limits
from app.web.common.received import file_bytes
from app.web.common.security import csrf, visitor

# A drawing is guessed up to 17 times a second while its lines grow. It is counted apart from the photos, so that
# nobody who draws is kept from sending one; and for each visitor, so that a class behind one address can draw.
RATE = "3000/minute"
CROWD = "15000/minute"
NO_FILE = "Choose a picture of a drawing first."

pages = Blueprint("draw", __name__, url_prefix="/draw")


def init_app(app: Flask) -> None:
    """Attach the page."""
    csrf.exempt(live)  # changes nothing, keeps nothing, needs no cookie; other sites cannot post JSON without CORS
    app.register_blueprint(pages)
    limits.limit(app, pages, rate=RATE, crowd=CROWD, scope="draw")


@pages.get("")
def page() -> str:
    """The sheet to draw on."""
    visitor()  # A visitor with a cookie is counted apart from others behind the same address.
    return _page()


@pages.post("")
def upload() -> Response:
    """The guess for a picture, on the same page."""
    file = request.files.get("drawing")
    try:
        data = file_bytes(file) if file else b""
        if not data:
            raise NothingDrawn(NO_FILE)
        return make_response(_page(guess=shown(guesser().image(data))))
    except PublicError as error:
        return refused(_page(problem=error.message), error)


@pages.post("/guess")
def live() -> ResponseReturnValue:
    """The guess for the strokes of an unfinished drawing, in the page's words. A blank sheet is no error here."""
    if request.mimetype != "application/json":
        raise NotAPhoto("Send the strokes as JSON.")
    try:
        seen = guess_json()
        return jsonify(body(seen.guess) | shown(seen).json())
    except NothingDrawn as nothing:
        return jsonify(answer=None, message=nothing.message)


def refused(page: str, error: PublicError) -> Response:
    """A page that says what is wrong, with the status of an error."""
    response = make_response(page, error.status)
    response.headers.update({"Cache-Control": "no-store", **error.headers})
    return response


def _page(**more: Any) -> str:
    return render_template("draw.html", **({"empty": bars(), "other": OTHER, "most_points": MOST_POINTS} | more))
