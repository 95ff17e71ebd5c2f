"""`/healthz` says that the process lives, `/readyz` whether photos can be taken, on a real Redis."""

from dataclasses import replace

import pytest

from app import create_app
from app.config.settings import Settings
from app.launch.redis_server import free_port
from app.queue.services import Services
from app.queue.status import WorkerStatus
from app.vision.catalogue.models import load_catalogue
from app.vision.results import ModelCard
from tests.unit.api_service import json_of

CARD = ModelCard("labels", "odd", "Odd", "1", "0" * 64)


@pytest.fixture
def services(settings: Settings, clean_redis_url: str) -> Services:
    made = Services.from_settings(replace(settings, redis_url=clean_redis_url))
    made.store.migrate()
    return made


def test_without_a_worker_the_service_lives_but_is_not_ready(services: Services) -> None:
    client = create_app(services).test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {
        "ready": False,
        "redis": True,
        "database": True,
        "disk": True,
        "workers": 0,
        "analyses": {},
        "missing": {},
        "detectors": json_of(answer)["detectors"],
    }


def test_a_worker_that_still_loads_does_not_make_the_service_ready(services: Services) -> None:
    services.jobs.heartbeat("a", WorkerStatus(ready=False, job=None))
    assert create_app(services).test_client().get("/readyz").status_code == 503


def test_a_worker_makes_it_ready_and_each_missing_analysis_has_its_step(services: Services) -> None:
    services.jobs.announce([CARD], {"objects": "Run make weights."})
    services.jobs.heartbeat("a", WorkerStatus(ready=True, job=None))
    answer = create_app(services).test_client().get("/readyz")
    assert answer.status_code == 200
    assert json_of(answer)["ready"] is True
    assert json_of(answer)["workers"] == 1
    assert json_of(answer)["analyses"] == {"labels": {"model": CARD.model, "title": CARD.title, "note": CARD.note}}
    assert json_of(answer)["missing"] == {"objects": "Run make weights."}


def test_the_detectors_are_compared_and_the_one_that_answers_is_marked(services: Services) -> None:
    services.jobs.announce([replace(CARD, analyzer="objects", model="starter")], {})
    detectors = json_of(create_app(services).test_client().get("/readyz"))["detectors"]
    known = {model.name: model for model in load_catalogue().values() if model.analyzer == "objects"}
    assert [row["name"] for row in detectors] == list(known)
    assert [row["name"] for row in detectors if row["answers"]] == ["starter"]
    for row in detectors:
        for number in ("box_ap", "mask_ap", "gflop", "seconds", "megabytes"):
            assert row[number] == getattr(known[row["name"]], number) > 0


def test_a_detector_that_the_catalogue_does_not_know_is_in_the_comparison_too(services: Services) -> None:
    services.jobs.announce([replace(CARD, analyzer="objects", model="mine", title="Mine")], {})
    first, *others = json_of(create_app(services).test_client().get("/readyz"))["detectors"]
    assert (first["name"], first["title"], first["answers"], first["box_ap"]) == ("mine", "Mine", True, None)
    assert not any(row["answers"] for row in others)


def test_without_redis_the_service_lives_but_is_not_ready(settings: Settings) -> None:
    services = Services.from_settings(replace(settings, redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    services.store.migrate()
    client = create_app(services).test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert (json_of(answer)["redis"], json_of(answer)["database"]) == (False, True)
