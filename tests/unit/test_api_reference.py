"""The OpenAPI file in words, as its page shows it."""

import json
from typing import Any

import pytest

from app.web.api.reference import Reference, kind, prose
from tests.unit.api_service import Service, module_service

service = module_service


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 100.0, "default": 24}, "integer from 1 to 100, 24 by default"),
        ({"type": "string", "default": ""}, "string"),
        ({"type": "boolean", "default": False}, "boolean, false by default"),
        ({"enum": ["rle", "polygon", "none"], "default": "rle"}, "rle, polygon or none, rle by default"),
        ({"type": "array", "items": {"type": "string"}}, "list of strings"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "date-time or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Run"}}, 'list of <a href="#type-Run">Run</a>'),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"const": "<b>"}, "&lt;b&gt;"),
        ({}, "any value"),
    ],
)
def test_a_type_is_said_in_words(schema: dict[str, Any], words: str) -> None:
    assert kind(schema) == words


def test_words_between_backticks_are_code_and_markup_is_text() -> None:
    assert prose("Ask for `a<b`.<br/><br/>Then\n wait.") == "Ask for <code>a&lt;b</code>. Then wait."


@pytest.fixture
def reference(service: Service) -> Reference:
    return Reference(service.app.extensions["openapi"])


def test_every_operation_has_an_answer_and_its_errors(reference: Reference) -> None:
    operations = list(reference.operations())
    assert len({operation.id for operation in operations}) == len(operations) > 25
    for operation in operations:
        assert operation.answers, operation.id
        assert "500" in operation.errors, operation.id
        assert {field.name for field in operation.fields if field.place == "path"} == {
            part[1:-1] for part in operation.path.split("/") if part.startswith("{")
        }


def test_photos_are_sent_as_a_form_as_json_or_as_bytes(reference: Reference) -> None:
    create = next(operation for operation in reference.operations() if operation.id == "createRun")
    form, body, raw = create.bodies
    assert [field.name for field in form.fields][:2] == ["file", "analyses"]
    assert "url" in {field.name for field in body.fields}
    assert "image/heic" in raw.media_types
    assert json.loads(create.answers[0].example)["state"] == "done"


def test_the_least_json_of_a_body_has_what_must_be_there(reference: Reference) -> None:
    bodies = {operation.id: operation.bodies[0] for operation in reference.operations() if operation.bodies}
    assert json.loads(bodies["putCorrection"].example) == {"version": 0}
    assert json.loads(bodies["createTraining"].example) == {"data_set": ""}


def test_the_page_shows_examples_and_every_type_that_is_linked(service: Service) -> None:
    page = service.client.get("/docs").text
    assert "&#34;title&#34;: &#34;Starter Mask R-CNN&#34;" in page  # In the example of an answer.
    linked = {part.split('"')[0] for part in page.split('href="#')[1:]}
    assert "type-Problem" in linked
    assert all(f'id="{name}"' in page for name in linked)
