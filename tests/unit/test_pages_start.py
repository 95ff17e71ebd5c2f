"""The start page takes samples, photos, several photos and ZIPs, and says in plain words what it cannot take."""

import errno
import io
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import func, select

from app.config.analyses import ANALYSES
from app.config.settings import Settings
from app.errors import BrokenPhoto, NoAnalysis, NoPhoto, NotAPhoto, PublicError, QueueFull
from app.intake import Photo
from app.intake.address import Guard
from app.queue.jobs import Jobs
from app.queue.status import WorkerStatus
from app.store.errors import StoreUnavailable
from app.store.models import Batch
from app.vision.catalogue.models import load_catalogue
from app.vision.results import ModelCard
from app.web.common import uploads
from app.web.common.uploads import MAX_NAMED
from app.web.pages.status import STARTING, service_status
from tests.http_server import reply, serving
from tests.unit.api_service import PHOTO, Service, json_of, running
from tests.unit.photos import jpeg
from tests.unit.visitor import Visitor


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, queue_max=10, batch_max=4)


def test_the_start_offers_a_drop_area_samples_and_the_analyses(visitor: Visitor) -> None:
    page = visitor.get("/").text
    assert page.count('name="sample"') == 4
    assert page.count('name="analyses"') == len(ANALYSES)
    assert page.count(" checked") == 1
    assert 'type="file"' in page


def test_samples_are_served_and_nothing_beside_them(visitor: Visitor) -> None:
    answer = visitor.get("/samples/coffee.jpg")
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert visitor.get("/samples/README.md").status_code == 404
    assert visitor.get("/samples/..%2fapp%2fsettings.py").status_code == 404


def test_a_photo_leads_to_its_run(visitor: Visitor, service: Service) -> None:
    answer = visitor.send((PHOTO, "street.jpg"))
    assert answer.status_code == 303
    assert answer.location.startswith("/runs/")
    run = service.services.store.get_run(answer.location.removeprefix("/runs/"))
    assert run.name == "street.jpg"
    assert [analysis.analyzer for analysis in run.analyses] == ["objects"]


def test_a_script_gets_the_address_as_json(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.pages.start.MOMENT", 0)
    answer = visitor.send((PHOTO, "street.jpg"), accept="application/json")
    assert answer.status_code == 201
    assert json_of(answer) == {"location": answer.headers["Location"], "overlay": None}
    several = visitor.send((PHOTO, "a.jpg"), (PHOTO, "b.jpg"), accept="application/json")
    assert json_of(several) == {"location": several.headers["Location"]}


def test_a_script_gets_the_address_of_the_overlay_too_once_it_is_ready(visitor: Visitor) -> None:
    address = visitor.run()
    answer = json_of(visitor.send((PHOTO, "street.jpg"), accept="application/json"))
    assert answer["location"] != address
    assert visitor.get(answer["overlay"]).data == visitor.get(f"{address}/overlay").data


def test_the_ticked_analyses_are_asked_for(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "a.jpg"), analyses=["faces", "labels"]).location
    run = service.services.store.get_run(address.removeprefix("/runs/"))
    assert {analysis.analyzer for analysis in run.analyses} == {"faces", "labels"}


def test_a_form_with_nothing_ticked_is_refused_and_stores_nothing(visitor: Visitor, service: Service) -> None:
    answer = visitor.send((PHOTO, "a.jpg"), offered="analyses", accept="application/json")
    assert (answer.status_code, json_of(answer)["error"]) == (422, "Choose at least one thing to look for.")
    answer = visitor.client.post(
        "/", data={"csrf_token": visitor.token(), "sample": "coffee.jpg", "offered": "analyses"}
    )
    assert answer.status_code == 422
    assert service.services.jobs.waiting() == []


def test_a_sample_is_taken_by_its_name(visitor: Visitor, service: Service) -> None:
    answer = visitor.client.post("/", data={"csrf_token": visitor.token(), "sample": "coffee.jpg"})
    run = service.services.store.get_run(answer.location.removeprefix("/runs/"))
    assert (run.name, run.photo.width) == ("coffee.jpg", 600)


def test_a_photo_is_fetched_from_its_address(visitor: Visitor, service: Service) -> None:
    service.app.extensions["address_guard"] = Guard(allows=lambda address: address == "127.0.0.1", ports=None)
    with serving(lambda seen, handler: reply(handler, 200, PHOTO)) as server:
        answer = visitor.send(address=f" http://127.0.0.1:{server.port}/photos/car.jpg ")
    assert answer.status_code == 303
    assert service.services.store.get_run(answer.location.removeprefix("/runs/")).name == "car.jpg"


@pytest.mark.parametrize("address", ["http://127.0.0.1/a.jpg", "169.254.169.254/latest", "file:///etc/passwd"])
def test_an_address_that_is_not_public_is_refused_in_plain_words(
    visitor: Visitor, service: Service, address: str
) -> None:
    answer = visitor.send(address=address)
    assert (answer.status_code, "can be used." in answer.text) == (422, True)
    assert visitor.client.post("/", data={"address": address}).status_code == 400, "a token is needed"
    assert service.services.jobs.waiting() == []


def test_with_nothing_ticked_no_address_is_fetched(visitor: Visitor, service: Service) -> None:
    service.app.extensions["address_guard"] = Guard(resolve=lambda host, port: pytest.fail("It was visited."))
    answer = visitor.send(address="https://example.com/a.jpg", offered="analyses")
    assert (answer.status_code, NoAnalysis.message in answer.text) == (422, True)


def test_a_file_goes_before_an_address(visitor: Visitor, service: Service) -> None:
    service.app.extensions["address_guard"] = Guard(resolve=lambda host, port: pytest.fail("It was visited."))
    address = visitor.send((PHOTO, "a.jpg"), address="https://example.com/b.jpg").location
    assert service.services.store.get_run(address.removeprefix("/runs/")).name == "a.jpg"


def test_an_unknown_sample_is_not_found(visitor: Visitor) -> None:
    answer = visitor.client.post("/", data={"csrf_token": visitor.token(), "sample": "../setup.cfg"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [(b"hello", 415, NotAPhoto.message), (PHOTO[:-200], 422, BrokenPhoto.message), (b"", 400, "This file is empty")],
)
def test_a_file_that_is_not_a_photo_is_refused_in_plain_words(
    visitor: Visitor, service: Service, body: bytes, status: int, sentence: str
) -> None:
    page = visitor.send((body, "a.jpg"))
    assert page.status_code == status
    assert sentence in page.text
    data = json_of(visitor.send((body, "a.jpg"), accept="application/json"))
    assert sentence in data["error"]
    assert service.services.jobs.waiting() == []
    assert list(service.services.store.blobs.keys("photos/")) == []


def test_no_file_is_refused_in_plain_words(visitor: Visitor) -> None:
    answer = visitor.client.post("/", data={"csrf_token": visitor.token()})
    assert answer.status_code == 400
    assert NoPhoto.message in answer.text


def test_an_unknown_analysis_is_refused(visitor: Visitor) -> None:
    assert visitor.send((PHOTO, "a.jpg"), analyses=["smells"]).status_code == 422


def test_a_full_queue_says_when_to_come_back(visitor: Visitor) -> None:
    for width in range(10):
        assert visitor.send((jpeg(64 + width), "a.jpg")).status_code == 303
    answer = visitor.send((PHOTO, "a.jpg"))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert QueueFull.message in answer.text


def test_a_path_in_a_files_name_is_dropped(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "../photos/street.jpg")).location
    assert service.services.store.get_run(address.removeprefix("/runs/")).name == "street.jpg"


def test_several_photos_make_a_batch_and_the_refused_keep_their_sentences(visitor: Visitor, service: Service) -> None:
    answer = visitor.send((PHOTO, "one.jpg"), (b"no photo", "notes.txt"), (jpeg(65), "two.jpg"))
    id = answer.location.removeprefix("/batches/")
    assert [run.name for run in service.services.store.batch_runs(id)] == ["one.jpg", "two.jpg"]
    assert service.services.store.get_batch(id).refused == [{"name": "notes.txt", "message": NotAPhoto.message}]


def test_what_is_ready_has_its_models_also_while_a_worker_announces_them(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, announced = service.services.jobs, Jobs.cards
    all_cards = list(jobs.cards().values())
    jobs.announce([], {})

    def while_a_worker_comes(self: Jobs) -> dict[str, ModelCard]:
        cards = announced(self)
        jobs.announce(all_cards, {})
        jobs.heartbeat("host:a", WorkerStatus(ready=True, job=None))
        return cards

    monkeypatch.setattr(Jobs, "cards", while_a_worker_comes)
    for _ in range(2):
        state = json_of(service.client.get("/readyz"))
        assert state["ready"] == bool(state["analyses"])
    jobs.remove_worker("host:a")
    jobs.announce([], {})
    with service.app.app_context():
        status = service_status()
    assert (status.state, status.cards) == (STARTING, {})


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS])
def test_without_room_for_large_uploads_they_are_503_and_the_service_is_not_ready(
    visitor: Visitor, service: Service, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def full(**options: Any) -> None:
        raise OSError(reason, os.strerror(reason))

    service.services.jobs.heartbeat("host:a", WorkerStatus(ready=True, job=None))
    assert json_of(service.client.get("/readyz"))["disk"] is True
    token = visitor.token()
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    for accept in ("text/html", "application/json"):
        form = {"csrf_token": token, "photo": (io.BytesIO(bytes(600_000)), "a.bmp")}
        answer = visitor.client.post("/", data=form, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "no room left on the disk" in answer.text
    state = service.client.get("/readyz")
    assert (state.status_code, json_of(state)["disk"]) == (503, False)
    assert visitor.send((PHOTO, "small.jpg")).status_code == 303


def test_a_zip_makes_a_batch(visitor: Visitor, service: Service) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("holiday/one.jpg", PHOTO)
        archive.writestr("../two.jpg", jpeg(65))
        archive.writestr("inner.zip", b"PK\3\4")
    answer = visitor.send((file.getvalue(), "holiday.zip"))
    id = answer.location.removeprefix("/batches/")
    assert [run.name for run in service.services.store.batch_runs(id)] == ["holiday/one.jpg"]
    assert len(service.services.store.get_batch(id).refused) == 2


def test_beyond_the_largest_batch_photos_are_refused_one_by_one(visitor: Visitor, service: Service) -> None:
    answer = visitor.send(*((jpeg(64 + n), f"{n}.jpg") for n in range(6)))
    id = answer.location.removeprefix("/batches/")
    assert len(service.services.store.batch_runs(id)) == 4
    refused = service.services.store.get_batch(id).refused
    assert [entry["name"] for entry in refused] == ["4.jpg", "5.jpg"]
    assert "At most 4" in refused[0]["message"]


@pytest.mark.parametrize("form", ["photos", "zip"])
def test_an_idle_service_takes_every_batch_whatever_is_looked_for(
    visitor: Visitor, service: Service, form: str
) -> None:
    photos = [(jpeg(64 + n), f"{n}.jpg") for n in range(4)]
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for data, name in photos:
            archive.writestr(name, data)
    files = photos if form == "photos" else [(zipped.getvalue(), "a.zip")]
    everything = ["objects", "faces", "labels"]  # twelve analyses, where ten may wait
    batch = visitor.send(*files, analyses=everything).location.removeprefix("/batches/")
    assert len(service.services.store.batch_runs(batch)) == 4
    assert service.services.store.get_batch(batch).refused == []
    assert visitor.send((jpeg(90), "more.jpg")).status_code == 503


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_several_photos_are_refused_without_a_batch_when_the_queue_is_full(
    visitor: Visitor, service: Service, accept: str
) -> None:
    for width in range(9):
        service.add(jpeg(100 + width))
    photos = [(jpeg(64), "a.jpg"), (jpeg(65), "b.jpg")]
    answer = visitor.send(*photos, accept=accept, analyses=["objects", "faces"])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert QueueFull.message in answer.text
    assert batches(service) == 0
    assert visitor.send(*photos).status_code == 303  # of one analysis each, the first has room
    assert batches(service) == 1


def test_several_photos_are_refused_without_a_batch_when_queue_or_store_is_unavailable(
    visitor: Visitor, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[PublicError] = [QueueFull(headers={"Retry-After": "7"}), StoreUnavailable("The disk is full.")]
    monkeypatch.setattr(service.services.store, "add_run", Mock(side_effect=errors))
    answer = visitor.send((jpeg(64), "a.jpg"), (jpeg(65), "b.jpg"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert batches(service) == 0
    assert [record.getMessage() for record in caplog.records] == ["The disk is full."]


def test_a_batch_whose_store_fails_in_between_keeps_what_was_taken_and_the_log_says_why(
    visitor: Visitor, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = jpeg(64)
    add_run = service.services.store.add_run

    def add_first(photo: Photo, **options: Any) -> Any:
        if photo.data != first:
            raise StoreUnavailable("The disk is full.")
        return add_run(photo, **options)

    monkeypatch.setattr(service.services.store, "add_run", add_first)
    answer = visitor.send((first, "a.jpg"), (jpeg(65), "b.jpg"), (jpeg(66), "c.jpg"))
    assert answer.status_code == 303
    assert [record.getMessage() for record in caplog.records] == ["The disk is full."]
    batch = service.services.store.get_batch(answer.location.removeprefix("/batches/"))
    assert [file["name"] for file in batch.refused] == ["b.jpg", "c.jpg"]
    assert "disk" not in batch.refused[0]["message"]


def batches(service: Service) -> int:
    with service.services.store.database.writing() as session:
        return session.scalar(select(func.count()).select_from(Batch)) or 0


def zipped(*files: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


def test_of_very_many_files_without_photos_the_first_are_named_and_stored_at_once(
    visitor: Visitor, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, written = service.services.store, []
    add = store.add_refused_files
    monkeypatch.setattr(store, "add_refused_files", lambda id, files: (written.append(id), add(id, files)))
    notes = [(f"{n}.txt", b"note") for n in range(MAX_NAMED + 2_750)]
    id = visitor.send((zipped(*notes, ("last.jpg", PHOTO)), "a.zip")).location.removeprefix("/batches/")
    assert written == [id]
    assert [run.name for run in store.batch_runs(id)] == ["last.jpg"]
    names = [entry["name"] for entry in store.get_batch(id).refused]
    assert names == [*(name for name, _ in notes[:MAX_NAMED]), "and 2,750 more files"]


def test_a_zip_beyond_the_largest_batch_is_not_opened(visitor: Visitor, service: Service) -> None:
    first = zipped(*((f"{n}.jpg", jpeg(64 + n)) for n in range(3)))
    second = zipped(*((f"{n}.jpg", jpeg(64 + n)) for n in range(3, 6)))
    files = [(first, "one.zip"), (second, "two.zip"), (second, "three.zip")]
    id = visitor.send(*files).location.removeprefix("/batches/")
    assert len(service.services.store.batch_runs(id)) == 4
    refused = service.services.store.get_batch(id).refused
    assert [entry["name"] for entry in refused] == ["4.jpg", "5.jpg", "three.zip"]
    assert {entry["message"] for entry in refused} == {"At most 4 photos are taken at a time."}


def test_after_too_many_files_without_photos_the_rest_is_not_opened(
    visitor: Visitor, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_ENTRIES", 3)
    notes = zipped(*((f"{n}.txt", b"note") for n in range(3)))
    id = visitor.send((notes, "one.zip"), (notes, "two.zip"), (PHOTO, "a.jpg")).location.removeprefix("/batches/")
    refused = [entry["name"] for entry in service.services.store.get_batch(id).refused]
    assert refused == ["0.txt", "1.txt", "2.txt", "two.zip", "a.jpg"]


def test_stand_ins_and_missing_analyses_are_named_with_the_next_step(visitor: Visitor, service: Service) -> None:
    card = ModelCard("objects", "starter", "Starter", "1", "0" * 64, note="A stand-in; run `make weights`.")
    service.services.jobs.announce([card], {"faces": "Install `facenet-pytorch`."})
    page = visitor.get("/").text
    assert "A stand-in; run <code>make weights</code>." in page
    assert "Faces: not available yet. Install <code>facenet-pytorch</code>." in page
    assert page.count("disabled") == len(ANALYSES) - 1


def test_the_page_compares_the_detectors_and_marks_the_one_that_answers(visitor: Visitor, service: Service) -> None:
    service.services.jobs.announce([ModelCard("objects", "starter", "Starter", "1", "0" * 64)], {})
    table = visitor.get("/").text.partition("<table>")[2].partition("</table>")[0]
    rows = {name: row for row in table.split("<tr")[2:] for name in re.findall(r"<code>(.*?)</code>", row)}
    catalogue = {model.name: model for model in load_catalogue().values() if model.analyzer == "objects"}
    assert list(rows) == list(catalogue)
    assert [name for name, row in rows.items() if "answers now" in row] == ["starter"]
    for name, model in catalogue.items():
        cells = re.findall(r"<td>(.*?)</td>", rows[name])
        assert cells == [
            f"{model.box_ap:.1f}",
            f"{model.mask_ap:.1f}",
            f"{model.gflop:.0f}",
            f"{model.seconds:.2f}",
            f"{model.megabytes:.0f}",
        ]


def test_before_the_first_worker_the_page_says_that_it_gets_ready(visitor: Visitor) -> None:
    assert "Getting ready" in visitor.get("/").text
