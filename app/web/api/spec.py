"""The OpenAPI 3.1 file, generated from the code, and the page that shows it without any network.

flask-openapi3 collects operations and models from the blueprint; what it cannot say (one operation that takes a photo
in three forms) is added here from the same models.
"""

from importlib.resources import files
from typing import Any

from flask import Blueprint, Flask, Response, current_app, make_response, render_template
from flask_openapi3 import Info, OpenAPI
from pydantic import BaseModel

from app.web.api import schemas
from app.web.api.blueprint import PHOTO_TYPES, PREFIX, answer, api, json_bodies
from app.web.api.problems import InvalidRequest, kinds
from app.web.api.serialise import absolute
from app.web.common import inputs
from app.web.common.security import CONTENT_SECURITY_POLICY
from app.web.common.services import services

VERSION = "1.0.0"
ABOUT = """Finds objects in photos. A photo makes a *run*; its result is stored once, and everything shown of it
(threshold, classes, image, exports) is a view that costs no new inference.

Every error is a problem detail (RFC 9457, `application/problem+json`) of one shape."""
BEARER = {"type": "http", "scheme": "bearer", "description": "An API key, made with `flask keys create`."}

docs = Blueprint(
    "api_docs",
    __name__,
    static_folder=str(files("flask_openapi3_swagger") / "templates" / "swagger"),
    static_url_path="/docs/assets",
)


def init_app(app: Flask) -> None:
    """Build the file once and serve it with its page."""
    # flask-openapi3 asks the running application what to do with values that do not validate.
    app.validation_error_callback = InvalidRequest.refuse  # type: ignore[attr-defined]
    app.extensions["openapi"] = document(bool(app.extensions["services"].settings.api_keys_required))
    app.register_blueprint(docs)


@docs.get("/docs")
def page() -> Response:
    """The API's documentation. Swagger UI's own style sheet draws its arrows from `data:` images."""
    settings, root = services().settings, absolute("").rstrip("/")
    response = make_response(render_template("api/docs.html", problems=kinds(), settings=settings, root=root))
    policy = CONTENT_SECURITY_POLICY.replace("img-src 'self'", "img-src 'self' data:")
    response.headers["Content-Security-Policy"] = policy
    return response


@docs.get(f"{PREFIX}/openapi.json")
def openapi() -> Response:
    """The OpenAPI file."""
    return answer(current_app.extensions["openapi"])


def document(keys_required: bool) -> dict[str, Any]:
    """The OpenAPI file. keys_required: whether requests without a key are refused."""
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
    _describe_photos(spec)
    for path, model in json_bodies.items():
        _describe_json_or_image(spec, path, model)
    for path in spec["paths"].values():
        for operation in path.values():
            operation.pop("tags", None)
    spec.pop("tags", None)
    return spec


def _describe_photos(spec: dict[str, Any]) -> None:
    """The three forms in which `POST /runs` takes photos."""
    models = spec["components"]["schemas"]
    models["CreateJson"] = _schema(inputs.CreateJson, models)
    form = _schema(inputs.CreateForm, models)
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    form["properties"] = {"file": {"type": "array", "items": binary, "minItems": 1}, **form["properties"]}
    form["required"] = ["file"]
    models["CreateForm"] = form
    content: dict[str, Any] = {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/CreateForm"}}}
    content["application/json"] = {"schema": {"$ref": "#/components/schemas/CreateJson"}}
    for kind in (*PHOTO_TYPES, "application/octet-stream"):
        content[kind] = {"schema": {"type": "string", "format": "binary"}}
    spec["paths"][f"{PREFIX}/runs"]["post"]["requestBody"] = {"required": True, "content": content}


def _describe_json_or_image(spec: dict[str, Any], path: str, model: type[BaseModel]) -> None:
    """The two forms in which a POST takes its input: JSON, or an image as the raw body."""
    models = spec["components"]["schemas"]
    models[model.__name__] = _schema(model, models)
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    for kind in PHOTO_TYPES:
        content[kind] = {"schema": {"type": "string", "format": "binary"}}
    spec["paths"][PREFIX + path]["post"]["requestBody"] = {"required": True, "content": content}


def _schema(model: type[Any], models: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = model.model_json_schema(ref_template="#/components/schemas/{model}")
    models.update(schema.pop("$defs", {}))
    return schema
