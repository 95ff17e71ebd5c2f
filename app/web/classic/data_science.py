"""`POST /do_data_science` and `/do_data_science_url`: three analyses of one photo.

The response has addresses of pictures with the photo's MD5 and a signature, so that the same photo always gets the same
addresses and nobody can guess one.
"""

import hmac
import json
from collections.abc import Callable, Sequence

from flask import Blueprint, Flask, Response, current_app, request, url_for

from app.errors import NoPhoto, NotFound
from app.store.models import Run
from app.vision.rows import Row
from app.vision.view import View
from app.web.classic import request_log
from app.web.classic.analyse import Asked, analyse, json_response, register_error_body
from app.web.common import limits
from app.web.common.bodies import file_bytes
from app.web.common.keys import check_key
from app.web.common.origins import check_origin
from app.web.common.rendering import render_view
from app.web.common.security import csrf
from app.web.common.services import services
from app.web.common.sources import Source
from app.web.common.urls import absolute_url

API = "data_science"
ANALYSES = ("objects", "faces", "labels")
THRESHOLD = 0.5
ASKED = Asked(API, ANALYSES, THRESHOLD)
TOP = 3
KEYS = ("error", "hash", "original", "resnet", "yolov3", "yolov3_source", "faces_source")
# The pictures, with the analyses drawn on each.
PICTURES: dict[str, tuple[str, ...]] = {"original": (), "yolov3": ("objects",), "faces": ("faces",)}

blueprint = Blueprint("data_science", __name__)
pictures = Blueprint("data_science_pictures", __name__)
blueprint.before_request(check_origin)
blueprint.before_request(check_key)


def init_app(app: Flask) -> None:
    """Attach the API and its pictures."""
    csrf.exempt(blueprint)
    register_error_body(app, "/do_data_science", error_body)
    app.register_blueprint(blueprint)
    app.register_blueprint(pictures)
    request_log.log_requests(app, blueprint)
    limits.limit(app, blueprint)


def error_body(message: str) -> dict[str, str]:
    """The response with nothing but an error."""
    return dict.fromkeys(KEYS, "") | {"error": message}


@blueprint.post("/do_data_science")
def by_file() -> Response:
    """Analyse the form's file."""
    return analyse_photo(*uploaded_photo(), json_response)


@blueprint.post("/do_data_science_url")
def by_url() -> Response:
    """Analyse the photo at the form's `url`."""
    return analyse_photo(*fetched_photo(), json_response)


def uploaded_photo() -> tuple[str, bytes]:
    """Name and bytes of the request's file. Raises NoPhoto."""
    file = next((file for file in request.files.values() if file.filename), None)
    if file is None:
        raise NoPhoto
    return file.filename or "photo", file_bytes(file)


def fetched_photo() -> tuple[str, bytes]:
    """Name and bytes of the photo at the form's `url`. Raises NoPhoto, AddressRefused, FetchFailed."""
    url = request.form.get("url", "").strip()
    if not url:
        raise NoPhoto("No address was sent: the field `url` is missing or empty.")
    return Source("", url=url).read(services().settings)


def analyse_photo(name: str, data: bytes, build: Callable[[dict[str, str]], Response]) -> Response:
    """The response that `build` makes of the results of the three analyses, which are as the API returns them."""
    return analyse(data, name, ASKED, lambda run: build(_results(run)))


def _results(run: Run) -> dict[str, str]:
    request_log.note_photo(run.photo.md5)
    rows = {name: analysed.result.rows() for name, analysed in services().store.results(run).items()}
    return {
        "error": "",
        "hash": run.photo.md5,
        "original": picture_url(run.photo.md5, "original"),
        "resnet": json.dumps(top_labels(rows["labels"])),
        "yolov3": json.dumps(best_scores(rows["objects"])),
        "yolov3_source": picture_url(run.photo.md5, "yolov3"),
        "faces_source": picture_url(run.photo.md5, "faces"),
    }


def top_labels(rows: Sequence[Row]) -> dict[str, str]:
    """The three likeliest ImageNet classes of the photo, each with its probability in 0..1."""
    return {row.name: str(row.score) for row in rows[:TOP]}


def best_scores(rows: Sequence[Row]) -> dict[str, str]:
    """The best score of each class of object in the photo as a percentage, best first."""
    best: dict[str, float] = {}
    for row in View(threshold=THRESHOLD).select(rows):
        best[row.name] = max(best.get(row.name, 0.0), 100 * row.score)
    return {name: str(score) for name, score in sorted(best.items(), key=lambda item: -item[1])}


def picture_url(md5: str, picture: str) -> str:
    """The absolute URL of a picture."""
    return absolute_url(url_for("data_science_pictures.picture", md5=md5, signature=_signature(md5), picture=picture))


@pictures.get("/pictures/<md5>-<signature>/<picture>.jpg")
def picture(md5: str, signature: str, picture: str) -> Response:
    """The photo, plain or with the results of one analysis drawn on it."""
    if picture not in PICTURES or not hmac.compare_digest(
        signature.encode("utf-8", "replace"), _signature(md5).encode()
    ):
        raise NotFound
    analyses = PICTURES[picture]
    view = View(threshold=THRESHOLD, boxes=True) if analyses else View.plain()
    data, _, etag = render_view(services().store.latest_api_run(API, md5), view, analyses)
    response = Response(data, mimetype="image/jpeg")
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, max-age=3600"
    response.make_conditional(request)
    return response


def _signature(md5: str) -> str:
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, f"picture:{md5}".encode("utf-8", "replace"), "sha256").hexdigest()[:32]
