"""`POST /classify`: a raw photo in, counts or boxes out."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from flask import Blueprint, Flask, Response, request

from app.store.models import Run
from app.vision.rows import Row
from app.vision.view import View, flag
from app.web.classic.analyse import Asked, analyse, json_response, register_error_body
from app.web.common import limits
from app.web.common.bodies import body_bytes
from app.web.common.keys import check_key
from app.web.common.origins import check_origin
from app.web.common.security import csrf
from app.web.common.services import services

THRESHOLD = 0.75

blueprint = Blueprint("classify", __name__)
blueprint.before_request(check_origin)
blueprint.before_request(check_key)


def init_app(app: Flask) -> None:
    """Attach the API."""
    csrf.exempt(blueprint)
    register_error_body(app, "/classify", lambda sentence: {"error": sentence})
    app.register_blueprint(blueprint)
    limits.limit(app, blueprint)


@blueprint.post("/classify")
def classify() -> Response:
    """The number of objects of each class in a photo; with `verbose` every object, best first."""
    view = View.from_args({"threshold": request.args.get("threshold")}, THRESHOLD)
    verbose = flag("verbose", request.args.get("verbose") or "0")

    def build(run: Run) -> Response:
        rows = view.select(services().store.results(run)["objects"].result.rows())
        return json_response(boxes(rows, (run.photo.width, run.photo.height)) if verbose else counts(rows))

    return analyse(body_bytes(), "photo", Asked("classify", ("objects",), view.threshold), build)


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """Number of objects by class, most frequent first."""
    return dict(Counter(_capitalised(row.name) for row in rows).most_common())


def boxes(rows: Iterable[Row], size: tuple[int, int]) -> list[dict[str, Any]]:
    """Each object with its box in 0..1 of the photo, best first. size: (width, height) of the photo."""
    return [
        {
            "class": _capitalised(row.name),
            "score": row.score,
            **dict(zip(("x1", "y1", "x2", "y2"), _normalized(row, size), strict=True)),
        }
        for row in sorted(rows, key=lambda row: -row.score)
    ]


def _normalized(row: Row, size: tuple[int, int]) -> list[float]:
    box: list[float] = np.clip(np.array(row.box) / (*size, *size), 0, 1).tolist()
    return box


def _capitalised(name: str) -> str:
    return name[:1].upper() + name[1:]
