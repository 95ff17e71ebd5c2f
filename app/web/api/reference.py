"""The OpenAPI file as its page shows it: what each operation takes and answers, in words."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from app.web.api.problems import MEDIA_TYPE as PROBLEM

JSON = "application/json"
FORM = "multipart/form-data"
_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Field:
    """A parameter, or a member of a body.

    place: path, query or header; empty for a member. kind: its type in words. choices: all values that it may have.
    """

    name: str
    place: str
    kind: Markup
    required: bool
    about: Markup
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Body:
    """What a request carries. example: its least JSON; empty where it is no JSON."""

    media_types: tuple[str, ...]
    about: Markup
    fields: tuple[Field, ...]
    example: str = ""


@dataclass(frozen=True)
class Answer:
    """A response. kind: its type, with a link to it; example: JSON, where there is one."""

    status: str
    about: str
    media_types: tuple[str, ...]
    kind: Markup
    example: str = ""


@dataclass(frozen=True)
class Operation:
    """A method of a path. errors: the statuses of its problems."""

    id: str
    method: str
    path: str
    summary: str
    about: Markup
    fields: tuple[Field, ...]
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Type:
    """An object that bodies and answers are made of."""

    name: str
    about: Markup
    fields: tuple[Field, ...]


class Reference:
    """Reads an OpenAPI 3.1 file, as `spec.document` makes it."""

    def __init__(self, file: dict[str, Any]) -> None:
        self._file = file
        self._schemas: dict[str, dict[str, Any]] = file["components"]["schemas"]

    def operations(self) -> Iterator[Operation]:
        """Every operation, in the file's order."""
        for path, methods in self._file["paths"].items():
            for method, operation in methods.items():
                yield self._operation(method, path, operation)

    def types(self) -> Iterator[Type]:
        """Every type, by name."""
        for name, schema in sorted(self._schemas.items()):
            yield Type(name, prose(schema.get("description", "")), tuple(self._members(schema)))

    def _operation(self, method: str, path: str, operation: dict[str, Any]) -> Operation:
        responses = sorted(operation["responses"].items())
        return Operation(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            about=prose(operation["description"]),
            fields=tuple(_parameter(each) for each in operation.get("parameters", ())),
            bodies=tuple(self._bodies(operation.get("requestBody", {}).get("content", {}))),
            answers=tuple(self._answer(*each) for each in responses if PROBLEM not in each[1].get("content", {})),
            errors=tuple(status for status, response in responses if PROBLEM in response.get("content", {})),
        )

    def _bodies(self, content: dict[str, Any]) -> Iterator[Body]:
        """The forms of a body; media types of plain bytes are one of them."""
        raw = tuple(media_type for media_type in content if media_type not in (FORM, JSON))
        for media_type in (FORM, JSON):
            if media_type in content:
                schema = self._resolved(content[media_type]["schema"])
                example = self._least(schema) if media_type == JSON else ""
                yield Body((media_type,), prose(schema.get("description", "")), tuple(self._members(schema)), example)
        if raw:
            yield Body(raw, Markup("The file's bytes."), ())

    def _answer(self, status: str, response: dict[str, Any]) -> Answer:
        content = response.get("content", {})
        schema: dict[str, Any] = next((each["schema"] for each in content.values()), {})
        example = self._resolved(schema).get("example")
        return Answer(
            status,
            response["description"],
            tuple(content),
            kind(schema) if "$ref" in schema else Markup(),
            _json(example) if example else "",
        )

    def _members(self, schema: dict[str, Any]) -> Iterator[Field]:
        required = schema.get("required", ())
        for name, member in schema.get("properties", {}).items():
            yield Field(name, "", kind(member), name in required, prose(member.get("description", "")))

    def _least(self, schema: dict[str, Any]) -> str:
        """JSON with the members that must be there."""
        return _json({name: _blank(schema["properties"][name]) for name in schema.get("required", ())})

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        found = _REFERENCE.fullmatch(schema.get("$ref", ""))
        return self._schemas[found[1]] if found else schema


def kind(schema: dict[str, Any]) -> Markup:
    """A schema's type in words: "integer from 1 to 100, 24 by default". Types of the file are linked."""
    words = _type(schema)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        words += Markup(" from {:g} to {:g}").format(low, high)
    if schema.get("default") not in (None, "", []):
        words += Markup(", {} by default").format(json.dumps(schema["default"]).strip('"'))
    return words


def prose(text: str) -> Markup:
    """A description of the file, with its words between backticks as code."""
    words = " ".join(text.replace("<br/>", " ").split())
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(words))))


def _type(schema: dict[str, Any]) -> Markup:
    found = _REFERENCE.fullmatch(schema.get("$ref", ""))
    if found:
        return Markup('<a href="#type-{0}">{0}</a>').format(found[1])
    if "anyOf" in schema or "oneOf" in schema:
        return _either(_type(each) for each in schema.get("anyOf") or schema["oneOf"])
    if "enum" in schema or "const" in schema:
        return _either(map(Markup.escape, schema.get("enum") or [schema["const"]]))
    if schema.get("type") == "array":
        items = schema.get("items", {})
        return Markup("list of {}{}").format(_type(items), "s" if items.keys() & {"type"} else "")
    if isinstance(schema.get("additionalProperties"), dict):
        return Markup("object of {}").format(_type(schema["additionalProperties"]))
    if "contentMediaType" in schema:
        return Markup("file")
    return Markup.escape(schema.get("format") or schema.get("type") or "any value")


def _either(words: Iterable[Markup]) -> Markup:
    *others, last = dict.fromkeys(words)
    return Markup(" or ").join([Markup(", ").join(others), last] if others else [last])


def _parameter(parameter: dict[str, Any]) -> Field:
    schema = parameter["schema"]
    return Field(
        parameter["name"],
        parameter["in"],
        kind(schema),
        parameter.get("required", False),
        prose(parameter.get("description", "")),
        ("true", "false") if schema.get("type") == "boolean" else tuple(schema.get("enum", ())),
    )


def _blank(schema: dict[str, Any]) -> Any:
    """A value to write over."""
    blanks: dict[str, Any] = {"integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
    return blanks.get(schema.get("type", ""), "")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
