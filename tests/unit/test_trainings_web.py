"""Trainings on the pages and in the API: who may, and what a visitor is told."""

from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from app.store.states import State
from tests.unit.api_service import Service, json_of, running
from tests.unit.test_data_sets_web import BEARER, KEY, made, submit
from tests.unit.visitor import Visitor


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, admin_key=KEY)


@pytest.fixture
def admin(service: Service) -> Visitor:
    visitor = Visitor(service)
    submit(visitor, "/admin", "/admin", key=KEY)
    return visitor


def test_only_administrators_begin_stop_and_resume_trainings(service: Service, visitor: Visitor) -> None:
    service.services.jobs.trainer_beat()
    id = service.services.store.trainings.create(made(service), "starter", 1, "Cats").id
    assert visitor.get("/trainings").status_code == 303
    for path in ("/trainings", f"/trainings/{id}/stop", f"/trainings/{id}/resume"):
        assert submit(visitor, path, "/admin").status_code == 403
    for path in ("", f"/{id}"):
        assert service.client.get(f"/api/v1/trainings{path}").status_code == 403
    for path, body in (("", {"data_set": "x"}), (f"/{id}/stop", None), (f"/{id}/resume", None)):
        assert service.client.post(f"/api/v1/trainings{path}", json=body).status_code == 403
    assert service.services.store.trainings.get(id).state == State.QUEUED


def test_without_a_worker_the_page_says_the_command_that_adds_it(service: Service, admin: Visitor) -> None:
    id = made(service)
    page = admin.get("/trainings").text
    assert "<code>make full</code>" in page
    refused = service.client.post("/api/v1/trainings", json={"data_set": id}, headers=BEARER)
    assert (refused.status_code, json_of(refused)["code"]) == (503, "no-trainer")
    assert service.services.store.trainings.all() == []


def test_a_training_is_begun_watched_stopped_and_resumed_at_the_page(service: Service, admin: Visitor) -> None:
    jobs, store = service.services.jobs, service.services.store.trainings
    data_set = made(service)
    jobs.trainer_beat()
    page = submit(admin, "/trainings", "/trainings", data_set=data_set, base="starter", minutes="2").location
    id = page.rpartition("/")[2]
    assert jobs.trainings.job_ids == [id]
    assert "Waiting for its turn" in admin.get(page).text
    store.start(id)
    known = {"step": 3, "steps": 9, "left": 12.0, "loss": [[1, 2.0], [2, 1.5], [3, 1.25]], "ap": [[3, 12.5]]}
    store.beat(id, known)
    watched = admin.get(page).text
    assert "Step 3 of 9, 12\u00a0s left" in watched
    assert "Loss: 1.25" in watched
    submit(admin, f"{page}/stop", page)
    assert "Stopping" in admin.get(page).text
    store.end(id, State.CANCELLED)
    submit(admin, f"{page}/resume", page)
    assert store.get(id).state == State.QUEUED


def test_a_malformed_training_is_refused(service: Service) -> None:
    service.services.jobs.trainer_beat()
    id = made(service)
    for body, status in (
        ({"data_set": "x" * 22}, 404),
        ({"data_set": id, "base": "nonsense"}, 400),
        ({"data_set": id, "base": "/etc"}, 400),
        ({"data_set": id, "minutes": 0}, 422),
    ):
        assert service.client.post("/api/v1/trainings", json=body, headers=BEARER).status_code == status
    begun = service.client.post("/api/v1/trainings", json={"data_set": id, "minutes": 3}, headers=BEARER)
    assert (begun.status_code, json_of(begun)["title"], json_of(begun)["state"]) == (202, "Cats", "queued")
    [listed] = json_of(service.client.get("/api/v1/trainings", headers=BEARER))["trainings"]
    assert listed["minutes"] == 3
    address = f"/api/v1/trainings/{listed['id']}"
    assert json_of(service.client.post(f"{address}/stop", headers=BEARER))["state"] == "cancelled"
    assert json_of(service.client.post(f"{address}/resume", headers=BEARER))["state"] == "queued"
    assert json_of(service.client.post(f"{address}/resume", headers=BEARER))["code"] == "nothing-to-resume"
