"""The second classic API: `POST /image`, a photo inside JSON in, the annotated photo inside JSON out."""

import base64
import json
from pathlib import PurePath
from typing import Any

from flask import Blueprint, Flask, Response, request

from app.errors import BadRequest, NoPhoto
from app.intake.names import photo_name
from app.store.models import Run
from app.vision.results import Instances
from app.vision.view import View
from app.web import limits, services
from app.web.api.sources import decode_base64
from app.web.classic.answer import analysed, answer_errors
from app.web.keys import require
from app.web.rendered import rendered
from app.web.security import csrf

THRESHOLD = 0.7
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp"}
SPELLINGS = {"jpeg": ("jpg", "jpeg", "jpe", "jfif"), "png": ("png",), "webp": ("webp",)}

blueprint = Blueprint("image", __name__)
blueprint.before_request(require)


def init_app(app: Flask) -> None:
    """Attach the API."""
    csrf.exempt(blueprint)
    answer_errors(app, "/image", lambda sentence: {"processed": False, "error": sentence})
    app.register_blueprint(blueprint)
    limits.limit(app, blueprint)


@blueprint.post("/image")
def image() -> Response:
    """The annotated photo in base64, and what is drawn on it."""
    name, data = _photo(request.get_json(force=True))
    run = analysed(data, name=name, analyses=("objects",), api="image", threshold=THRESHOLD)
    return Response(json.dumps(modified(run, name)), mimetype="application/json")


def modified(run: Run, name: str) -> dict[str, Any]:
    """The annotated photo of a finished run: JPEG, PNG or WebP like the upload, PNG for other formats."""
    view = View(threshold=THRESHOLD, format=run.photo.format if run.photo.format in EXTENSIONS else "png")
    found = services().store.results(run)["objects"].result
    shown = view.select(found) if isinstance(found, Instances) else None
    data = rendered(run, view)[0]
    return {
        "name": f"modified-{_renamed(name, view.format)}",
        "size": len(data),
        "ext": EXTENSIONS[view.format],
        "processed": True,
        "prediction_image": base64.b64encode(data).decode("ascii"),
        "labels": shown.names if shown is not None else [],
        "scores": [float(score) for score in shown.scores] if shown is not None else [],
        "boxes": shown.boxes.astype(float).tolist() if shown is not None else [],
    }


def _photo(body: Any) -> tuple[str, bytes]:
    """Name and bytes of the request. Raises BadRequest, NoPhoto."""
    if not isinstance(body, dict):
        raise BadRequest("The JSON body must be an object with `name` and `Uint8array`.")
    name, content = body.get("name", "photo"), body.get("Uint8array")
    if not isinstance(name, str):
        raise BadRequest("`name` must be a text.")
    if not content:
        raise NoPhoto("No photo was sent: `Uint8array` is missing or empty.")
    return photo_name(name), _bytes(content)


def _bytes(content: Any) -> bytes:
    """Bytes of base64 text, of a list of byte values, or of what JSON.stringify makes of a Uint8Array."""
    if isinstance(content, str):
        return decode_base64(content)
    if isinstance(content, dict):
        content = [content.get(str(place)) for place in range(len(content))]
    if not isinstance(content, list) or not all(type(value) is int and 0 <= value <= 255 for value in content):
        raise BadRequest("`Uint8array` must be base64, or a list of whole numbers from 0 to 255.")
    return bytes(content)


def _renamed(name: str, format: str) -> str:
    """The name with an ending that is true of the format."""
    path = PurePath(name)
    if path.suffix.lower().lstrip(".") in SPELLINGS[format]:
        return name
    return f"{path.stem}.{EXTENSIONS[format]}"
