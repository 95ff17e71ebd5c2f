"""The API's blueprint, and helpers that build responses and describe them for the OpenAPI file."""

import json
from http import HTTPStatus
from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint
from pydantic import BaseModel

from app.web.api.problems import MEDIA_TYPE

PREFIX = "/api/v1"
# Error statuses that every operation may answer with.
COMMON_ERRORS = (400, 401, 422, 429, 500, 503)
WITH_RETRY_AFTER = (409, 429, 503)

api = APIBlueprint("api", __name__, url_prefix=PREFIX)


def json_response(body: Any, status: int = 200) -> Response:
    """A JSON response whose members keep their order."""
    return Response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), status, mimetype="application/json")


def describe(*errors: int, **success: Any) -> dict[Any, Any]:
    """The `responses` of an operation.

    Args:
        errors: error statuses besides the common ones.
        success: other responses by `s<status>`: a pydantic model or an OpenAPI response object.
    """
    described = {str(status): _describe_problem(status) for status in sorted({*COMMON_ERRORS, *errors})}
    return described | {name[1:]: response for name, response in success.items()}


def describe_body(
    *types: str, json: type[BaseModel], form: type[BaseModel], max_files: int | None = None
) -> dict[str, Any]:
    """The `openapi_extensions` of an operation that takes raw bodies of some media types, JSON or a form with files."""
    content = {"multipart/form-data": {"schema": _describe_form(form, max_files)}}
    content["application/json"] = {"schema": _describe_model(json)}
    content |= {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in types}
    return {"requestBody": {"required": True, "content": content}}


def describe_json_body(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extensions` of an operation that takes JSON alone, and reads it itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _describe_model(model)}}}}


def reference(schema: str) -> dict[str, Any]:
    """A reference to a schema of the OpenAPI file."""
    return {"$ref": f"#/components/schemas/{schema}"}


def describe_file(description: str, *types: str) -> dict[str, Any]:
    """A response that is a file of one of some media types."""
    text: dict[str, Any] = {"type": "string"}
    return {
        "description": description,
        "content": {media_type: {"schema": {} if media_type.endswith("json") else text} for media_type in types},
    }


def describe_json(description: str, schema: str, **headers: Any) -> dict[str, Any]:
    """A JSON response of a model that another operation adds to the file."""
    return {
        "description": description,
        "content": {"application/json": {"schema": reference(schema)}},
        "headers": headers,
    }


def describe_header(description: str, type: str = "string") -> dict[str, Any]:
    """A response header."""
    return {"description": description, "schema": {"type": type}}


RETRY_AFTER = describe_header("Seconds to wait before the next try.", "integer")
RATE_LIMIT_HEADERS = {
    "RateLimit": describe_header("Requests left (r) and seconds until the limit is reset (t)."),
    "RateLimit-Policy": describe_header("Requests allowed (q) in a window of seconds (w)."),
}


def _describe_problem(status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": reference("Problem")}},
    }
    if status in WITH_RETRY_AFTER:
        described["headers"] = {"Retry-After": RETRY_AFTER} | (RATE_LIMIT_HEADERS if status == 429 else {})
    return described


def _describe_form(model: type[BaseModel], max_files: int | None) -> dict[str, Any]:
    """A reference to the schema of a form with files next to the fields of a model."""
    described = _describe_model(model)
    schema = api.components_schemas[model.__name__]
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    files = {"type": "array", "items": binary, "minItems": 1} | ({"maxItems": max_files} if max_files else {})
    schema["properties"] = {"file": files, **schema["properties"]}
    schema["required"] = ["file"]
    return described


def _describe_model(model: type[BaseModel]) -> dict[str, Any]:
    """A reference to the schema of a model, which is added to the OpenAPI file."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    api.components_schemas |= schema.pop("$defs", {})
    api.components_schemas[model.__name__] = schema
    return reference(model.__name__)
