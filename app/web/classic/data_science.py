"""The third classic API: `POST /do_data_science` and `/do_data_science_url`, three looks at one photo.

Its answers name stored pictures by the photo's MD5, signed, so that the same photo always has the same addresses and
nobody finds one by trying.
"""

import hmac
import json
from collections.abc import Sequence

from flask import Blueprint, Flask, Response, current_app, request, url_for

from app.errors import NoPhoto, NotFound
from app.vision.rows import Row
from app.vision.view import View
from app.web.api.serialise import absolute
from app.web.classic import requests_log
from app.web.classic.answer import analysed, answer_errors
from app.web.common import limits
from app.web.common.keys import require
from app.web.common.received import file_bytes
from app.web.common.rendered import rendered
from app.web.common.security import csrf
from app.web.common.services import services
from app.web.common.sources import Source

API = "data_science"
ANALYSES = ("objects", "faces", "labels")
THRESHOLD = 0.5
TOP = 3
KEYS = ("error", "hash", "original", "resnet", "yolov3", "yolov3_source", "faces_source")
# What each stored picture shows: the analyses drawn on it.
PICTURES: dict[str, tuple[str, ...]] = {"original": (), "yolov3": ("objects",), "faces": ("faces",)}

blueprint = Blueprint("data_science", __name__)
pictures = Blueprint("data_science_pictures", __name__)
blueprint.before_request(require)


def init_app(app: Flask) -> None:
    """Attach the API and its pictures."""
    csrf.exempt(blueprint)
    answer_errors(app, "/do_data_science", refusal)
    app.register_blueprint(blueprint)
    app.register_blueprint(pictures)
    requests_log.watch(app, blueprint)
    limits.limit(app, blueprint)


def refusal(sentence: str) -> dict[str, str]:
    """The answer's shape with nothing in it but the error."""
    return dict.fromkeys(KEYS, "") | {"error": sentence}


@blueprint.post("/do_data_science")
def by_file() -> Response:
    """A photo as the form's file."""
    return _json(answer(*uploaded()))


@blueprint.post("/do_data_science_url")
def by_url() -> Response:
    """A photo by the form's `url`."""
    return _json(answer(*linked()))


def uploaded() -> tuple[str, bytes]:
    """Name and bytes of the request's file. Raises NoPhoto."""
    file = next((file for file in request.files.values() if file.filename), None)
    if file is None:
        raise NoPhoto
    return file.filename or "photo", file_bytes(file)


def linked() -> tuple[str, bytes]:
    """Name and bytes of what is at the request's `url`. Raises NoPhoto, AddressRefused, FetchFailed."""
    url = request.form.get("url", "").strip()
    if not url:
        raise NoPhoto("No address was sent: the field `url` is missing or empty.")
    return Source("", url=url).read(services().settings)


def answer(name: str, data: bytes) -> dict[str, str]:
    """What the three models say of a photo, in the API's shape."""
    run = analysed(data, name=name, analyses=ANALYSES, api=API, threshold=THRESHOLD)
    requests_log.note(run.photo.md5)
    rows = {name: analysed.result.rows() for name, analysed in services().store.results(run).items()}
    return {
        "error": "",
        "hash": run.photo.md5,
        "original": address(run.photo.md5, "original"),
        "resnet": json.dumps(top_labels(rows["labels"])),
        "yolov3": json.dumps(best_scores(rows["objects"])),
        "yolov3_source": address(run.photo.md5, "yolov3"),
        "faces_source": address(run.photo.md5, "faces"),
    }


def top_labels(rows: Sequence[Row]) -> dict[str, str]:
    """The three likeliest ImageNet names of the photo, each with its probability as a fraction."""
    return {row.name: str(row.score) for row in rows[:TOP]}


def best_scores(rows: Sequence[Row]) -> dict[str, str]:
    """Each class of object in the photo with its best score as a percentage, best first."""
    best: dict[str, float] = {}
    for row in View(threshold=THRESHOLD).select(rows):
        best[row.name] = max(best.get(row.name, 0.0), 100 * row.score)
    return {name: str(score) for name, score in sorted(best.items(), key=lambda item: -item[1])}


def address(md5: str, picture: str) -> str:
    """The absolute address of a stored picture."""
    return absolute(url_for("data_science_pictures.picture", md5=md5, seal=_seal(md5), picture=picture))


@pictures.get("/pictures/<md5>-<seal>/<picture>.jpg")
def picture(md5: str, seal: str, picture: str) -> Response:
    """A stored picture: the photo, with what one of the models found drawn on it."""
    if picture not in PICTURES or not hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(md5).encode()):
        raise NotFound
    analyses = PICTURES[picture]
    view = View(threshold=THRESHOLD) if analyses else View.plain()
    data, _, etag = rendered(services().store.latest_of(API, md5), view, analyses)
    response = Response(data, mimetype="image/jpeg")
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, max-age=3600"
    response.make_conditional(request)
    return response


def _seal(md5: str) -> str:
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, f"picture:{md5}".encode("utf-8", "replace"), "sha256").hexdigest()[:32]


def _json(body: dict[str, str]) -> Response:
    return Response(json.dumps(body), mimetype="application/json")
