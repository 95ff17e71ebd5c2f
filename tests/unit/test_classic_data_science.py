"""The third classic API: `/do_data_science`, its pages and what administrators may do."""

import hashlib
import io
import json
import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from app.config.settings import Settings
from app.intake.address import Guard
from app.store.errors import StoreUnavailable
from tests.http_server import Seen, reply, serving
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service, json_of

KEYS = {"error", "hash", "original", "resnet", "yolov3", "yolov3_source", "faces_source"}
MD5 = hashlib.md5(PHOTO).hexdigest()


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from api_service.running(settings, admin_key="the admin's")


def post(service: Service, status: int = 200, path: str = "/do_data_science", **form: Any) -> Any:
    with service.answering():
        answer = service.client.post(path, data=form, content_type="multipart/form-data")
    assert answer.status_code == status, answer.data
    return answer.json


def photo() -> tuple[io.BytesIO, str]:
    return io.BytesIO(PHOTO), "car.jpg"


def pixels(service: Service, address: str) -> np.ndarray:
    answer = service.client.get(urlsplit(address).path)
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    return np.asarray(Image.open(io.BytesIO(answer.data)).convert("RGB"), int)


def differs(one: np.ndarray, other: np.ndarray, box: tuple[int, int, int, int]) -> bool:
    x1, y1, x2, y2 = box
    return bool(np.abs(one[y1:y2, x1:x2] - other[y1:y2, x1:x2]).max() > 40)


def test_the_answer_has_the_published_shape(service: Service) -> None:
    body = post(service, file=photo())
    assert set(body) == KEYS
    assert (body["error"], body["hash"]) == ("", MD5)
    resnet, yolov3 = json.loads(body["resnet"]), json.loads(body["yolov3"])
    assert resnet == {"sports_car": "0.7", "beach_wagon": "0.2", "grille": "0.05"}
    assert list(resnet) == ["sports_car", "beach_wagon", "grille"]
    assert {name: round(float(value), 3) for name, value in yolov3.items()} == {"car": 98.0, "dog": 70.0}
    assert all(isinstance(value, str) for value in yolov3.values())
    for name in ("original", "yolov3_source", "faces_source"):
        assert body[name].startswith("http://localhost/")


def test_only_the_three_likeliest_labels_are_named(service: Service) -> None:
    from app.vision.analyses.labels.result import Labels
    from app.vision.results import Analysed

    card = service.found["labels"].card
    service.found["labels"] = Analysed(card, Labels(("a", "b", "c", "d"), (0.4, 0.3, 0.2, 0.1)))
    assert list(json.loads(post(service, file=photo())["resnet"])) == ["a", "b", "c"]


def test_each_stored_picture_shows_its_own_findings(service: Service) -> None:
    body = post(service, file=photo())
    original, objects, faces = (pixels(service, body[k]) for k in ("original", "yolov3_source", "faces_source"))
    assert original.shape == objects.shape == faces.shape == (240, 320, 3)
    car, face = (10, 20, 110, 90), (180, 80, 230, 140)
    assert differs(original, objects, car)
    assert differs(original, faces, face)
    assert not differs(original, faces, car)


def test_the_same_photo_again_is_answered_from_the_store_with_the_same_addresses(service: Service) -> None:
    first = post(service, file=photo())
    service.client = service.app.test_client()
    answer = service.client.post("/do_data_science", data={"file": photo()})  # nobody works now
    assert answer.json == first


def test_pictures_cannot_be_found_by_the_photos_hash_alone(service: Service) -> None:
    path = urlsplit(post(service, file=photo())["original"]).path
    assert service.client.get(path).status_code == 200
    assert service.client.get(re.sub(r"-[0-9a-f]+/", f"-{'0' * 32}/", path)).status_code == 404
    assert service.client.get(path.replace("original", "secret")).status_code == 404


def test_pictures_revalidate(service: Service) -> None:
    path = urlsplit(post(service, file=photo())["faces_source"]).path
    etag = service.client.get(path).headers["ETag"]
    assert service.client.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_pictures_go_with_the_run(service: Service) -> None:
    path = urlsplit(post(service, file=photo())["original"]).path
    (run,) = json_of(service.client.get("/api/v1/runs"))["runs"]
    service.client.delete(f"/api/v1/runs/{run['id']}")
    assert service.client.get(path).status_code == 404


def test_a_photo_can_be_given_by_its_address(service: Service) -> None:
    def serve(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, PHOTO)

    service.app.extensions["address_guard"] = Guard(allows=lambda address: address == "127.0.0.1", ports=None)
    with serving(serve) as server:
        body = post(service, path="/do_data_science_url", url=f"http://127.0.0.1:{server.port}/a.jpg")
    assert body["hash"] == MD5


@pytest.mark.parametrize(
    ("status", "path", "form"),
    [
        (400, "/do_data_science", {}),
        (400, "/do_data_science_url", {}),
        (415, "/do_data_science", {"file": (io.BytesIO(b"text"), "a.jpg")}),
        (422, "/do_data_science", {"file": (io.BytesIO(PHOTO[:500]), "a.jpg")}),
        (422, "/do_data_science_url", {"url": "http://169.254.169.254/latest"}),
        (422, "/do_data_science_url", {"url": "nonsense"}),
    ],
)
def test_bad_input_is_refused_in_the_answers_own_shape(
    service: Service, status: int, path: str, form: dict[str, Any]
) -> None:
    body = post(service, status, path, **form)
    assert set(body) == KEYS
    assert body.pop("error").endswith(".")
    assert set(body.values()) == {""}


def token(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


def test_the_upload_page_leads_to_the_answer_as_a_page(service: Service) -> None:
    page = service.client.get("/upload").text
    with service.answering():
        answer = service.client.post("/demo_file", data={"csrf_token": token(page), "file": photo()})
    assert answer.status_code == 200
    assert MD5 in answer.text
    assert "sports car" in answer.text
    assert len(re.findall("<img", answer.text)) == 3


def test_a_bad_upload_comes_back_with_its_sentence(service: Service) -> None:
    page = service.client.get("/upload").text
    answer = service.client.post("/demo_url", data={"csrf_token": token(page), "url": "http://10.0.0.1/"})
    assert answer.status_code == 422
    assert "public" in answer.text


def test_an_unavailable_store_is_an_error_on_the_page_and_explained_in_the_log(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    page = service.client.get("/upload").text
    monkeypatch.setattr(service.services.store, "add_run", unavailable)
    answer = service.client.post("/demo_file", data={"csrf_token": token(page), "file": photo()})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert StoreUnavailable("").message in answer.text
    assert [record.getMessage() for record in caplog.records] == ["The disk is full."]


def unavailable(*_: Any, **__: Any) -> None:
    raise StoreUnavailable("The disk is full.")


@pytest.mark.parametrize("path", ["/demo_file", "/demo_url"])
def test_the_pages_forms_are_protected_against_forgery_and_their_addresses_lead_back(
    service: Service, path: str
) -> None:
    assert service.client.post(path, data={"file": photo()}).status_code == 400
    assert service.client.get(path).headers["Location"] == "/upload"


@pytest.mark.parametrize("analysis", ["objects", "faces", "labels"])
def test_one_failed_analysis_is_the_answers_error_with_its_reason(
    service: Service, monkeypatch: pytest.MonkeyPatch, analysis: str
) -> None:
    monkeypatch.setattr(service, "answer", lambda found=None: answer_all_but(service, analysis))
    body = post(service, 500, file=photo())
    assert body == dict.fromkeys(KEYS, "") | {"error": "This photo was too much."}
    page = service.client.get("/upload").text
    with service.answering():
        shown = service.client.post("/demo_file", data={"csrf_token": token(page), "file": photo()})
    assert shown.status_code == 500
    assert "This photo was too much." in shown.text


def answer_all_but(service: Service, failing: str) -> None:
    jobs, store = service.services.jobs, service.services.store
    for id in jobs.waiting():
        jobs.cancel(id)
        analysis = store.start_analysis(id)
        assert analysis is not None
        if analysis.analyzer == failing:
            jobs.publish(store.fail_analysis(id, "This photo was too much."))
        else:
            jobs.publish(store.finish_analysis(id, service.found[analysis.analyzer]))


def test_reset_deletes_this_apis_results_and_no_others(service: Service) -> None:
    other = service.add(PHOTO)
    path = urlsplit(post(service, file=photo())["original"]).path
    answer = service.client.post("/reset", headers={"Authorization": "Bearer the admin's"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/upload")
    assert service.client.get(path).status_code == 404
    assert service.services.store.get_run(other.id).state == "done"


def test_reset_leaves_no_picture_in_the_cache(service: Service) -> None:
    assert service.client.get(urlsplit(post(service, file=photo())["original"]).path).status_code == 200
    cache = service.settings.data_path / "cache"
    assert [path for path in cache.rglob("*") if path.is_file()]
    service.client.post("/reset", headers={"Authorization": "Bearer the admin's"})
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_the_log_lists_requests_newest_first(service: Service) -> None:
    post(service, file=photo())
    post(service, 400)
    page = service.client.post("/log", data={"key": "the admin's"}).text
    assert page.index("<td>400</td>") < page.index("<td>200</td>")
    assert MD5 in page


def test_the_log_keeps_equal_requests_and_forgets_them_with_the_runs(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        post(service, 400)
    rows = [service.client.post("/log", data={"key": "the admin's"}).text.count("<td>400</td>")]
    later = time.time() + 86_400 * service.settings.retention_days + 1
    monkeypatch.setattr("time.time", lambda: later)
    rows.append(service.client.post("/log", data={"key": "the admin's"}).text.count("<td>400</td>"))
    assert rows == [2, 0]


@pytest.mark.parametrize("path", ["/reset", "/log"])
def test_administration_needs_post_and_the_key(service: Service, settings: Settings, path: str) -> None:
    post(service, file=photo())
    assert service.client.get(path).status_code == 405
    for given in ({}, {"key": "guess"}, {"key": ""}):
        assert service.client.post(path, data=given).status_code == 403
    assert service.client.post(path, headers={"Authorization": "Bearer guess"}).status_code == 403
    unset = Service(settings, data_dir=f"{settings.data_dir}/other")
    assert unset.client.post(path, data={"key": ""}).status_code == 403
    unset.close()
    assert json_of(service.client.get("/api/v1/runs"))["runs"]
