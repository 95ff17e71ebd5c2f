"""The OpenAPI 3.1 file, generated from the code, and the page that shows it."""

from typing import Any

from flask import Blueprint, Flask, Response, current_app, render_template, request
from flask_openapi3 import Info, OpenAPI

from app.web.api import schemas
from app.web.api.blueprint import PREFIX, api, json_response
from app.web.api.problems import error_classes
from app.web.api.reference import Reference
from app.web.common import navigation
from app.web.common.inputs import InvalidRequest
from app.web.common.services import services
from app.web.common.urls import absolute_url

VERSION = "1.0.0"
ABOUT = """Finds objects, faces, labels, codes and text in photos. A photo makes a *run*. Its result is stored
once. Threshold, classes, image and exports are views of it and need no new inference.

Every error is a problem detail (RFC 9457, `application/problem+json`)."""
METHODS = ("post", "get", "put", "delete")
BEARER = {"type": "http", "scheme": "bearer", "description": "An API key, created with `flask keys create`."}

docs = Blueprint("api_docs", __name__)


def init_app(app: Flask) -> None:
    """Build the file once, and serve it with its page."""
    # flask-openapi3 calls this on the application for values that do not validate.
    app.validation_error_callback = InvalidRequest.raise_from  # type: ignore[attr-defined]
    keys_required = bool(app.extensions["services"].settings.api_keys_required)
    app.extensions["openapi"] = document(keys_required)
    # For the samples of code on the pages.
    app.jinja_env.globals.update(absolute_url=absolute_url, keys_required=keys_required)
    app.register_blueprint(docs)
    navigation.add(app, "api_docs.page", "API")


@docs.get("/docs")
def page() -> str:
    """The API's documentation."""
    reference = Reference(current_app.extensions["openapi"])
    context = {"errors": error_classes(), "settings": services().settings, "reference": reference}
    return render_template("api/docs.html", **context)


@docs.get(f"{PREFIX}/openapi.json")
def openapi() -> Response:
    """The OpenAPI file, with the path under which a proxy serves this application."""
    servers = {"servers": [{"url": request.script_root}]} if request.script_root else {}
    return json_response({**current_app.extensions["openapi"], **servers})


def document(keys_required: bool) -> dict[str, Any]:
    """The OpenAPI file. keys_required: whether every request needs a key."""
    collector = OpenAPI(
        "openapi",
        info=Info(title="Flask Detector", version=VERSION, description=ABOUT),
        security_schemes={"key": BEARER},
        validation_error_model=schemas.Problem,
        doc_ui=False,
    )
    collector.register_api(api)
    spec: dict[str, Any] = collector.api_doc
    spec["security"] = [{"key": []}] if keys_required else [{}, {"key": []}]
    for path in spec["paths"].values():
        for operation in path.values():
            operation.pop("tags", None)
    spec.pop("tags", None)
    spec["paths"] = _in_reading_order(spec["paths"])
    return spec


def _in_reading_order(paths: dict[str, Any]) -> dict[str, Any]:
    """The operations in the order of `docs/api.md`: sending before listing, and last the models that answer."""
    last = tuple(f"{PREFIX}/{name}" for name in ("datasets", "trainings", "versions", "models"))
    ordered = sorted(paths, key=lambda path: next((i for i, each in enumerate(last) if path.startswith(each)), -1))
    return {path: dict(sorted(paths[path].items(), key=lambda pair: METHODS.index(pair[0]))) for path in ordered}
