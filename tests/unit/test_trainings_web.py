"""Trainings on the pages and in the API: who may, and what a visitor is told."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.config.settings import Settings
from app.datasets.compared import Compared, dump
from app.queue import constants
from app.store.states import State
from app.store.trainings import DATA, PHOTOS, STATE
from app.vision.analyses.objects.result import Instances
from tests.unit.api_service import Service, json_of, running
from tests.unit.test_data_sets_web import BEARER, KEY, coco_zip, made, submit
from tests.unit.visitor import Visitor


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, admin_key=KEY)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker of the trainings stays alive for as long as a test takes on a busy machine."""
    monkeypatch.setattr(constants, "HEARTBEAT_TTL", 3600)


@pytest.fixture
def admin(service: Service) -> Visitor:
    return signed_in(service)


def signed_in(service: Service) -> Visitor:
    visitor = Visitor(service)
    submit(visitor, "/admin", "/admin", key=KEY)
    return visitor


def test_only_administrators_begin_stop_and_resume_trainings(service: Service, visitor: Visitor) -> None:
    service.services.jobs.trainer_beat()
    id = service.services.store.trainings.create(made(service), "starter", 1, "Cats").id
    assert visitor.get("/trainings").status_code == 303
    for path in ("/trainings", *(f"/trainings/{id}/{act}" for act in ("stop", "resume", "delete"))):
        assert submit(visitor, path, "/admin").status_code == 403
    for path in ("", f"/{id}"):
        assert service.client.get(f"/api/v1/trainings{path}").status_code == 403
    for path, body in (("", {"data_set": "x"}), (f"/{id}/stop", None), (f"/{id}/resume", None)):
        assert service.client.post(f"/api/v1/trainings{path}", json=body).status_code == 403
    assert service.client.delete(f"/api/v1/trainings/{id}").status_code == 403
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
    training = store.start(id)
    assert training is not None
    store.beat(training, {"prepared": 0.337, "step": 0, "steps": None})
    assert "Looking at the photos, 34\u00a0%" in admin.get(page).text
    known = {"step": 3, "steps": 9, "left": 12.0, "loss": [[1, 2.0], [2, 1.5], [3, 1.25]], "ap": [[3, 12.5]]}
    store.beat(training, known)
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
        ({"data_set": id, "classes": "mine"}, 422),
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


def compared(service: Service, data_set: str) -> list[Compared]:
    """The photos of a data set, in which the base finds what is there and the training nothing."""
    photos = []
    for photo in service.services.store.data_sets.photos(data_set):
        found = service.found["objects"].result
        assert isinstance(found, Instances)
        here = replace(found, size=(photo.photo.height, photo.photo.width), masks=None)
        layers = {"truth": here, "base": here, "trained": here[:0]}
        photos.append(Compared(photo.photo_sha256, photo.name, layers, missed=len(here)))
    return photos


def test_the_page_shows_validation_photos_before_now_and_as_they_are(service: Service, admin: Visitor) -> None:
    store, data_set = service.services.store.trainings, made(service)
    page = f"/trainings/{store.create(data_set, 'starter', 1, 'Cats').id}"
    assert re.search(r'id="watched"[^>]* hidden', admin.get(page).text)
    store.keep(page.rpartition("/")[2], PHOTOS, dump(compared(service, data_set)))
    shown = admin.get(page).text
    assert [shown.count(f"<span>{words}</span>") for words in ("Before", "Now", "The truth")] == [2, 2, 2]
    pictures = [admin.get(address.replace("&amp;", "&")) for address in re.findall(r'<img src="([^"]+)"', shown)]
    assert {(picture.status_code, picture.mimetype) for picture in pictures} == {(200, "image/jpeg")}
    before, now, truth = (picture.data for picture in pictures[:3])
    assert before == truth != now
    address = re.findall(r'<img src="([^"?]+)', shown)[0]
    assert admin.get(address.replace("/base", "/nonsense")).status_code == 404
    service.services.store.data_sets.delete(data_set)
    assert admin.get(address).status_code == 404
    assert Visitor(service).get(address).status_code == 303


def test_the_pictures_of_a_comparison_are_paid_for_as_others_are(settings: Settings) -> None:
    for service in running(settings, admin_key=KEY, render_limit="1/hour"):
        store, data_set = service.services.store.trainings, made(service)
        id = store.create(data_set, "starter", 1, "Cats").id
        store.keep(id, PHOTOS, dump(compared(service, data_set)))
        admin = signed_in(service)
        address = re.findall(r'<img src="([^"]+)"', admin.get(f"/trainings/{id}").text)[0]
        assert [admin.get(address).status_code for _ in range(2)] == [200, 429]


def test_a_training_is_deleted_with_what_it_needs_to_go_on_unless_it_runs(service: Service, admin: Visitor) -> None:
    store = service.services.store
    ids = [store.trainings.create(made(service), "starter", 1, "Cats").id for _ in range(2)]
    for id in ids:
        store.trainings.start(id)
        for part in (DATA, STATE, PHOTOS):
            store.trainings.keep(id, part, dump([]))
    page, address = f"/trainings/{ids[0]}", f"/api/v1/trainings/{ids[1]}"
    assert submit(admin, f"{page}/delete", page).status_code == 409
    assert json_of(service.client.delete(address, headers=BEARER))["code"] == "training-running"
    for id in ids:
        store.trainings.end(id, State.CANCELLED)
    assert submit(admin, f"{page}/delete", page).location == "/trainings"
    assert service.client.delete(address, headers=BEARER).status_code == 204
    assert service.client.delete(address, headers=BEARER).status_code == 404
    assert ([*store.trainings.all()], [*store.blobs.keys("trainings/")]) == ([], [])
    store.trainings.keep(ids[0], STATE, b"of a worker that had not heard of it")
    assert [*store.blobs.keys("trainings/")] == []


def test_a_data_set_with_nothing_to_measure_on_is_refused_before_it_starts(service: Service, admin: Visitor) -> None:
    service.services.jobs.trainer_beat()
    id, sentence = made(service, coco_zip(photos=1)), "no photo with objects to measure on"
    refused = service.client.post("/api/v1/trainings", json={"data_set": id}, headers=BEARER)
    assert (refused.status_code, json_of(refused)["code"]) == (409, "data-set-incomplete")
    assert sentence in json_of(refused)["detail"]
    assert sentence in submit(admin, "/trainings", "/trainings", data_set=id).text
    page = admin.get(f"/datasets/{id}").text
    assert sentence in page
    assert "Train a model" not in page
    assert service.services.store.trainings.all() == []


def test_the_bases_classes_are_kept_unless_only_those_of_the_data_set_are_asked_for(
    service: Service, admin: Visitor
) -> None:
    service.services.jobs.trainer_beat()
    id = made(service)
    address = "/api/v1/trainings"
    for more, kept in (({}, "base+data"), ({"classes": "data"}, "data")):
        begun = service.client.post(address, json={"data_set": id, **more}, headers=BEARER)
        assert json_of(begun)["classes"] == kept
    page = submit(admin, "/trainings", "/trainings", data_set=id, classes="data").location
    assert service.services.store.trainings.get(page.rpartition("/")[2]).classes == "data"
    assert submit(admin, "/trainings", "/trainings", data_set=id, classes="mine").status_code == 400
