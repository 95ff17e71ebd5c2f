"""`POST /image`: a photo inside JSON in, the annotated photo inside JSON out."""

import base64
from typing import Any

from flask import Blueprint, Flask, Response, request

from app.errors import BadRequest, NoPhoto
from app.intake.body import OVERHEAD, allow, in_base64
from app.intake.names import photo_name
from app.store.models import Run
from app.vision.view import EXTENSIONS, View
from app.web.classic.analyse import Asked, analyse, json_response, register_error_body
from app.web.classic.byte_list import EXPECTED, MAX_CHARACTERS, MEMBER, read_json
from app.web.common import limits
from app.web.common.exports import with_suffix
from app.web.common.keys import check_key
from app.web.common.origins import check_origin
from app.web.common.rendering import render_view
from app.web.common.security import csrf
from app.web.common.services import services
from app.web.common.sources import decode_base64

THRESHOLD = 0.7
ASKED = Asked("image", ("objects",), THRESHOLD)

blueprint = Blueprint("image", __name__)
blueprint.before_request(check_origin)
blueprint.before_request(check_key)


def init_app(app: Flask) -> None:
    """Attach the API."""
    csrf.exempt(blueprint)
    register_error_body(app, "/image", lambda sentence: {"processed": False, "error": sentence})
    app.register_blueprint(blueprint)
    limits.limit(app, blueprint)


@blueprint.post("/image")
def image() -> Response:
    """The annotated photo in base64, and the objects drawn on it."""
    name, data = _photo()
    return analyse(data, name, ASKED, lambda run: json_response(annotated(run, name)))


def annotated(run: Run, name: str) -> dict[str, Any]:
    """The annotated photo of a finished run, in the upload's format if that is JPEG, PNG or WebP, else as PNG."""
    view = View(threshold=THRESHOLD, boxes=True, format=run.photo.format if run.photo.format in EXTENSIONS else "png")
    rows = view.select(services().store.results(run)["objects"].result.rows())
    data = render_view(run, view)[0]
    return {
        "name": f"modified-{with_suffix(name, view.format)}",
        "size": len(data),
        "ext": EXTENSIONS[view.format][0][1:],
        "processed": True,
        "prediction_image": base64.b64encode(data).decode("ascii"),
        "labels": [row.name for row in rows],
        "scores": [row.score for row in rows],
        "boxes": [row.box for row in rows],
    }


def _photo() -> tuple[str, bytes]:
    """Name and bytes of the request. Raises BadRequest, NoPhoto, UploadTooLarge and every error of the body itself."""
    max_bytes = services().settings.max_upload_bytes
    allow(request.environ, MAX_CHARACTERS * max_bytes + OVERHEAD)
    body, listed = read_json(request.stream, in_base64(max_bytes))
    if not isinstance(body, dict):
        raise BadRequest(f"The JSON body must be an object with `name` and `{MEMBER}`.")
    name, content = body.get("name", "photo"), listed or body.get(MEMBER)
    if not isinstance(name, str):
        raise BadRequest("`name` must be a string.")
    if not content:
        raise NoPhoto(f"No photo was sent: `{MEMBER}` is missing or empty.")
    return photo_name(name), _bytes(content)


def _bytes(content: Any) -> bytes:
    """Bytes as they are, or of base64 text."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return decode_base64(content)
    raise BadRequest(EXPECTED)
