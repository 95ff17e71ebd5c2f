"""The OpenAPI file, and schemathesis against it: no 5xx, and no answer that the file does not know."""

import json
from importlib import import_module
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as budget
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.schemas import APIOperation

from app.config.settings import Settings
from app.web import MODULES
from app.web.api import spec
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service, json_of

FILE = "/api/v1/openapi.json"
EXAMPLES = 30
# Not everything that makes a request wrong can be said in a schema: a cursor of ours, base64 of a photo.
load_all_checks()
UNSAID, REFUSED = CHECKS.get_by_names(["positive_data_acceptance", "negative_data_rejection"])


service = api_service.module_service


@pytest.fixture(scope="module")
def schema(service: Service) -> Any:
    return schemathesis.openapi.from_wsgi(FILE, service.app)


def document(service: Service) -> dict[str, Any]:
    return dict(json_of(service.client.get(FILE)))


def operations(service: Service) -> list[tuple[str, str, dict[str, Any]]]:
    paths = document(service)["paths"]
    return [(path, method, operation) for path, item in paths.items() for method, operation in item.items()]


def test_the_file_is_valid_openapi_3_1(service: Service) -> None:
    file = document(service)
    assert file["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(file).validate()


def test_the_file_names_every_route_of_the_api_and_nothing_else(service: Service) -> None:
    documented = {(path, method.upper()) for path, method, _ in operations(service)}
    served = {
        (rule.rule.replace("<", "{").replace(">", "}"), method)
        for rule in service.app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1") and rule.rule != FILE
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert documented == served


def test_under_a_path_the_file_and_its_page_name_addresses_there(settings: Settings) -> None:
    under = {"X-Forwarded-Prefix": "/photos", "X-Forwarded-Host": "example.org"}
    for service in api_service.running(
        settings, trusted_proxies=1, trusted_headers="host,prefix", allowed_hosts="example.org"
    ):
        assert "servers" not in json_of(service.client.get(FILE))
        assert json_of(service.client.get(FILE, headers=under))["servers"] == [{"url": "/photos"}]
        page = service.client.get("/docs", headers=under).text
        assert 'href="/photos/api/v1/openapi.json"' in page
        assert 'data-path="/photos/api/v1/runs/{run_id}"' in page
        assert "http://example.org/photos/api/v1/runs?wait=30" in page


def test_every_operation_says_what_it_does_and_tells_errors_as_problems(service: Service) -> None:
    for path, method, operation in operations(service):
        assert operation["summary"], (path, method)
        assert operation["description"], (path, method)
        assert operation["operationId"], (path, method)
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert set(answer["content"]) == {"application/problem+json"}, (path, method, status)


def test_photos_are_documented_in_their_three_forms(service: Service) -> None:
    content = document(service)["paths"]["/api/v1/runs"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "application/json", "image/jpeg"} <= set(content)


HEIGHTS = count(40)  # A photo that was sent before may wait for an analysis that an emptied queue has lost.


def ids(service: Service) -> list[str]:
    """A finished run of this client, one in the queue, and none."""
    service.know(PHOTO, "objects", "faces", "labels")
    made = json_of(service.post(PHOTO, "?analyses=objects,faces,labels"))
    waiting = service.add(api_service.jpeg(50, next(HEIGHTS)))
    return [made["id"], waiting.id, "nobody"]


def labels() -> dict[str, bool]:
    """The label of each operation, and whether its schema forbids anything."""
    for module in MODULES:
        import_module(module)
    return {
        f"{method.upper()} {path}": "requestBody" in operation
        or any(parameter["in"] == "query" for parameter in operation.get("parameters", ()))
        for path, item in spec.document(False)["paths"].items()
        for method, operation in item.items()
    }


LABELS = labels()


def by_label(schema: Any) -> dict[str, APIOperation]:
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


def test_every_operation_is_attacked_below(schema: Any) -> None:
    assert set(by_label(schema)) == set(LABELS)
    assert len(LABELS) >= 10


def is_batch(case: Case) -> bool:
    """Whether a form has several files."""
    files = case.body.get("file") if isinstance(case.body, dict) else None
    return isinstance(files, list) and len(files) > 1


@pytest.mark.parametrize(
    ("label", "mode"),
    [(label, mode) for label, wrong in LABELS.items() for mode in GenerationMode if wrong or mode.is_positive],
)
def test_every_answer_is_documented_and_none_is_5xx(
    service: Service, schema: Any, label: str, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.api.events.REFRESH", 0.01)
    known = ids(service)
    turn = iter(range(10**6))

    @given(case=by_label(schema)[label].as_strategy(generation_mode=mode))
    @budget(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def attack(case: Case) -> None:
        n = next(turn)
        if "run_id" in case.path_parameters and n % 4 != 3 and mode.is_positive:
            case.path_parameters["run_id"] = known[n % len(known)]
        if label.endswith("/events"):
            service.answer()  # a stream ends with its run
        if label == "POST /api/v1/runs":
            case.query.pop("wait", None)
            service.redis.flushdb()
            service.services.jobs.announce([found.card for found in service.found.values()], {})
            if mode.is_positive and case.media_type == "image/jpeg":
                case.body = PHOTO
        # A real photo in place of made-up bytes is more than schemathesis knows of. So is that each of several files is
        # answered by itself: two empty ones are a batch in which both are listed as refused.
        unsure = mode.is_positive or is_batch(case)
        case.call_and_validate(excluded_checks=[UNSAID, REFUSED] if unsure else [UNSAID])

    attack()


def test_the_file_is_the_same_for_everybody_and_small_enough_to_read(service: Service) -> None:
    text = json.dumps(document(service))
    assert len(text) < 130_000
    assert "localhost" not in text
