"""The first classic API: `POST /classify`, a raw photo in, counts or boxes out."""

import json
from collections import Counter
from typing import Any

import numpy as np
from flask import Blueprint, Flask, Response, request

from app.vision.results import Instances
from app.vision.view import View, flag
from app.web.classic.answer import analysed, answer_errors
from app.web.common import limits
from app.web.common.keys import require
from app.web.common.received import body_bytes
from app.web.common.security import csrf
from app.web.common.services import services

THRESHOLD = 0.75

blueprint = Blueprint("classify", __name__)
blueprint.before_request(require)


def init_app(app: Flask) -> None:
    """Attach the API."""
    csrf.exempt(blueprint)
    answer_errors(app, "/classify", lambda sentence: {"error": sentence})
    app.register_blueprint(blueprint)
    limits.limit(app, blueprint)


@blueprint.post("/classify")
def classify() -> Response:
    """How many objects of each class a photo shows; with `verbose` each of them, best first."""
    view = View.from_args({"threshold": request.args.get("threshold")}, THRESHOLD)
    verbose = flag("verbose", request.args.get("verbose") or "0")
    run = analysed(body_bytes(), name="photo", analyses=("objects",), api="classify", threshold=view.threshold)
    found = services().store.results(run)["objects"].result
    shown = view.select(found) if isinstance(found, Instances) else None
    body = (boxes(shown) if verbose else counts(shown)) if shown is not None else {}
    return Response(json.dumps(body), mimetype="application/json")


def counts(found: Instances) -> dict[str, int]:
    """Number of instances by class, most first."""
    return dict(Counter(map(_capital, found.names)).most_common())


def boxes(found: Instances) -> list[dict[str, Any]]:
    """Each instance with its box in 0..1 of the photo, best first."""
    height, width = found.size
    places = np.clip(found.boxes.astype(float) / (width, height, width, height), 0, 1)
    order = np.argsort(-found.scores, kind="stable")
    return [
        {
            "class": _capital(found.names[i]),
            "score": float(found.scores[i]),
            **dict(zip(("x1", "y1", "x2", "y2"), places[i].tolist(), strict=True)),
        }
        for i in order
    ]


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]
