"""The API's blueprint, and how its operations describe what they may answer."""

import json
from http import HTTPStatus
from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint
from pydantic import BaseModel

from app.web.api.problems import MEDIA_TYPE

PREFIX = "/api/v1"
# What every operation may answer besides its own answers.
EVERYWHERE = (400, 401, 422, 429, 500, 503)
WITH_RETRY = (409, 429, 503)

# Media types of photos and drawings as raw bodies.
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff")

api = APIBlueprint("api", __name__, url_prefix=PREFIX)
# By path below PREFIX: the model of the JSON body of a POST that takes an image as its raw body as well.
json_bodies: dict[str, type[BaseModel]] = {}


def answers(*problems: int, **own: Any) -> dict[Any, Any]:
    """The `responses` of an operation.

    Args:
        problems: statuses of the problems that it adds to those that every operation has.
        own: its own answers by `s<status>`: a pydantic model, or a response object of OpenAPI.
    """
    described = {str(status): _problem(status) for status in sorted({*EVERYWHERE, *problems})}
    return described | {name[1:]: answer for name, answer in own.items()}


def answer(body: Any, status: int = 200) -> Response:
    """A JSON answer whose members keep their order."""
    return Response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), status, mimetype="application/json")


def media(description: str, *types: str) -> dict[str, Any]:
    """A response that is a file of one of some media types."""
    text: dict[str, Any] = {"type": "string"}
    return {
        "description": description,
        "content": {kind: {"schema": {} if kind.endswith("json") else text} for kind in types},
    }


def header(description: str, kind: str = "string") -> dict[str, Any]:
    """A response header."""
    return {"description": description, "schema": {"type": kind}}


def json_answer(description: str, schema: str, **headers: Any) -> dict[str, Any]:
    """A JSON response of a model that another operation brings into the file."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": reference}}, "headers": headers}


def _problem(status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in WITH_RETRY:
        described["headers"] = {"Retry-After": header("Seconds to wait before the next try.", "integer")}
    return described
