"""The sample answers of the OpenAPI file, beside the answers of a service."""

from typing import Any

from pydantic import BaseModel

from app.config.settings import Settings
from app.sketch.web.api import Drawing
from app.web.api import samples, schemas
from tests.unit.api_service import PHOTO, Service, json_of, module_service, running

service = module_service
OPEN = ("steps", "results")  # whose members are names of steps and analyses


def names(value: Any) -> Any:
    """The names of all members, of lists those of the first item."""
    if isinstance(value, dict):
        return {name: None if name in OPEN else names(inner) for name, inner in value.items()}
    return [names(inner) for inner in value[:1]] if isinstance(value, list) else None


def test_every_answer_has_a_sample_that_its_schema_allows(service: Service) -> None:
    openapi = json_of(service.client.get("/api/v1/openapi.json"))
    answers = [
        content["application/json"]["schema"].get("$ref", "")
        for path in openapi["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        if status.startswith("2") and "application/json" in (content := answer.get("content", {}))
    ]
    described = {name for answer in answers if (name := answer.rpartition("/")[2])}
    assert described >= {"Run", "RunSummary", "Submitted", "Batch", "RunPage", "Models", "Drawing"}
    for name in described:
        schema: type[BaseModel] = Drawing if name == "Drawing" else getattr(schemas, name)
        schema.model_validate(openapi["components"]["schemas"][name]["example"])


def test_the_samples_have_the_members_of_real_answers(service: Service) -> None:
    service.know(PHOTO, "objects")
    run = json_of(service.post(PHOTO))
    assert names(samples.RUN) == names(run)
    found = run["results"]["objects"]
    sample = samples.RUN["results"]["objects"]
    assert [sample.keys(), sample["model"].keys()] == [found.keys(), found["model"].keys()]
    assert sample["instances"][0].keys() == found["instances"][0].keys()
    assert names(samples.RUN_PAGE) == names(json_of(service.client.get("/api/v1/runs")))
    assert samples.MODELS["models"][0].keys() == json_of(service.client.get("/api/v1/models"))["models"][0].keys()


def test_the_lines_to_copy_send_a_key_only_where_one_is_required(service: Service, settings: Settings) -> None:
    assert "Bearer fd_...&#34;" not in service.client.get("/docs").text
    for locked in running(settings, api_keys_required=True):
        page = locked.client.get("/docs").text
        assert "curl -H &#34;Authorization: Bearer fd_...&#34; -F file=@photo.jpg" in page
        assert "files=photo, headers=key" in page
        assert 'spellcheck="false" required></label> <span class="note">Sent with' in page
