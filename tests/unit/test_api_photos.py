"""The forms in which the API takes photos, and the options beside them."""

import base64
import io
import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from unittest.mock import Mock

import pytest
from werkzeug.test import TestResponse

from app.config.settings import Settings
from app.intake.address import Guard
from app.store.errors import StoreUnavailable
from tests.http_server import Seen, reply, serving
from tests.unit.api_service import PHOTO, Service, json_of
from tests.unit.photos import encode, jpeg, scene

ENCODED = base64.b64encode(PHOTO).decode()


def sent(service: Service, status: int = 202, **request: Any) -> Any:
    answer = service.client.post("/api/v1/runs", **request)
    assert answer.status_code == status, answer.json
    return answer.json


@pytest.mark.parametrize(
    "content_type", ["image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_a_raw_body_of_any_type_is_judged_by_its_content(service: Service, content_type: str) -> None:
    assert sent(service, data=PHOTO, content_type=content_type)["photo"]["format"] == "jpeg"


@pytest.mark.parametrize(
    "text",
    [
        ENCODED,
        f"data:image/jpeg;base64,{ENCODED}",
        "\n".join(ENCODED[i : i + 76] for i in range(0, len(ENCODED), 76)),
        base64.urlsafe_b64encode(PHOTO).decode().rstrip("="),
    ],
    ids=["plain", "data-url", "lines", "url-safe without padding"],
)
def test_base64_is_taken_in_every_common_spelling(service: Service, text: str) -> None:
    run = sent(service, json={"image": text, "name": "car.jpg"})
    assert (run["photo"]["bytes"], run["name"]) == (len(PHOTO), "car.jpg")


@pytest.mark.parametrize("form", ["raw", "json", "blob"])
def test_a_photo_sent_without_a_name_is_exported_with_an_ending(service: Service, form: str) -> None:
    photo = encode(scene(40, 30), "PNG")
    bodies: dict[str, dict[str, Any]] = {
        "raw": {"data": photo, "content_type": "image/png"},
        "json": {"json": {"image": base64.b64encode(photo).decode()}},
        "blob": {"data": {"file": (io.BytesIO(photo), "blob")}},  # as browsers name a Blob in a form
    }
    run = sent(service, **bodies[form])
    service.answer()
    export = json_of(service.client.get(f"/api/v1/runs/{run['id']}/export?format=coco"))
    assert run["name"] == export["images"][0]["file_name"] == "photo.png"


def test_a_form_file_keeps_its_name_and_takes_options_beside_it(service: Service) -> None:
    form = {"file": (io.BytesIO(PHOTO), "ünï.jpg"), "analyses": "objects,labels", "threshold": "0.3", "classes": "dog"}
    run = sent(service, data=form)
    assert run["name"] == "ünï.jpg"
    assert {analysis["analyzer"] for analysis in run["analyses"]} == {"objects", "labels"}
    assert (run["threshold"], run["classes"]) == (0.3, ["dog"])


@pytest.mark.parametrize("form", ["query", "json", "form"])
def test_a_name_is_cleaned_however_it_is_sent_and_the_picture_has_it(service: Service, form: str) -> None:
    name = "../photos/a\nX-Evil: 1.jpg"
    if form == "query":
        run = sent(service, data=PHOTO, content_type="image/jpeg", query_string={"name": name})
    elif form == "json":
        run = sent(service, json={"image": ENCODED, "name": name})
    else:
        run = sent(service, data={"file": (io.BytesIO(PHOTO), name.replace("\n", "\u2028"))})
    assert run["name"] == "a X-Evil: 1.jpg"
    service.answer()
    for path in ("image", "download"):
        assert service.client.get(f"/runs/{run['id']}/{path}").status_code == 200


def test_json_takes_names_as_a_list_or_as_one_text(service: Service) -> None:
    for names in (["objects", "faces"], "objects, faces"):
        run = sent(service, json={"image": ENCODED, "analyses": names})
        assert {analysis["analyzer"] for analysis in run["analyses"]} == {"objects", "faces"}


def test_several_form_files_make_a_batch_in_which_bad_ones_are_refused(service: Service) -> None:
    files = [(io.BytesIO(PHOTO), "a.jpg"), (io.BytesIO(b"no photo"), "b.txt"), (io.BytesIO(jpeg(50, 40)), "c.jpg")]
    answer = service.client.post("/api/v1/runs", data={"file": files, "threshold": "0.4"})
    assert answer.status_code == 202
    batch = json_of(answer)
    assert [run["name"] for run in batch["runs"]] == ["a.jpg", "c.jpg"]
    assert [run["threshold"] for run in batch["runs"]] == [0.4, 0.4]
    assert batch["refused"][0]["name"] == "b.txt"
    assert "not a photo" in batch["refused"][0]["message"]
    assert service.client.get(answer.headers["Location"]).json == batch


def test_too_many_form_files_are_refused(settings: Settings) -> None:
    small = Service(settings, batch_max=2)
    files = [(io.BytesIO(PHOTO), f"{n}.jpg") for n in range(3)]
    assert "At most 2" in sent(small, 400, data={"file": files})["detail"]
    small.close()


def test_several_photos_that_find_no_room_are_503_and_may_be_sent_again_with_the_same_key(settings: Settings) -> None:
    small = Service(settings, queue_max=3)

    def send() -> TestResponse:
        files = [(io.BytesIO(jpeg(50 + n, 40)), f"{n}.jpg") for n in range(2)]
        form = {"file": files, "analyses": "objects,labels"}
        return small.client.post("/api/v1/runs", data=form, headers={"Idempotency-Key": "k1"})

    for width in (60, 61):
        small.add(jpeg(width, 40))
    answer = send()
    assert (answer.status_code, json_of(answer)["code"]) == (503, "queue-full")
    assert int(answer.headers["Retry-After"]) > 0
    small.answer()
    batch = json_of(send())
    assert [run["name"] for run in batch["runs"]] == ["0.jpg", "1.jpg"]
    assert batch["refused"] == []
    small.close()


def test_several_photos_that_the_store_cannot_take_are_503(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service.services.store, "add_run", Mock(side_effect=StoreUnavailable("The disk is full.")))
    files = [(io.BytesIO(jpeg(50 + n, 40)), f"{n}.jpg") for n in range(2)]
    answer = service.client.post("/api/v1/runs", data={"file": files})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert [record.getMessage() for record in caplog.records] == ["The disk is full."]


def test_a_photo_is_fetched_from_its_address(service: Service) -> None:
    def photo(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        reply(handler, 200, PHOTO)

    service.app.extensions["address_guard"] = Guard(allows=lambda address: address == "127.0.0.1", ports=None)
    with serving(photo) as server:
        run = sent(service, json={"url": f"http://127.0.0.1:{server.port}/photos/car.jpg"})
    assert (run["name"], run["photo"]["bytes"]) == ("car.jpg", len(PHOTO))


@pytest.mark.parametrize("address", ["http://127.0.0.1/a.jpg", "http://169.254.169.254/", "file:///etc/passwd", "x"])
def test_private_addresses_are_refused_for_photos_and_webhooks(service: Service, address: str) -> None:
    assert sent(service, 422, json={"url": address})["code"] == "address-refused"
    assert sent(service, 422, json={"image": ENCODED, "webhook": address})["code"] == "address-refused"
    assert service.services.jobs.waiting() == []


def test_a_webhook_is_kept_with_the_run(service: Service) -> None:
    service.app.extensions["address_guard"] = Guard(resolve=lambda host, port: ["93.184.216.34"])
    id = sent(service, json={"image": ENCODED, "webhook": "https://receiver.example/hook"})["id"]
    assert service.services.store.get_run(id).webhook == "https://receiver.example/hook"


def test_a_webhook_may_have_a_secret_of_its_own_that_is_never_shown(service: Service) -> None:
    service.app.extensions["address_guard"] = Guard(resolve=lambda host, port: ["93.184.216.34"])
    secret, body = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", {"image": ENCODED, "webhook": "https://a.example/"}
    run = sent(service, json=body, headers={"Webhook-Secret": secret})
    assert service.services.store.get_run(run["id"]).webhook_secret == secret
    shown = [json.dumps(run), service.client.get(f"/api/v1/runs/{run['id']}").text, service.client.get("/history").text]
    assert not [text for text in shown if secret.removeprefix("whsec_") in text]


@pytest.mark.parametrize(
    "request_",
    [
        {"json": {"image": ENCODED, "classes": "x" * 4001}},
        {"json": {"image": ENCODED, "classes": ["dog"] * 1334}},
        {"json": {"image": ENCODED, "classes": [""] * 4001}},
        {"data": PHOTO, "query_string": {"classes": "x" * 4001}},
        {"data": {"file": (io.BytesIO(PHOTO), "a.jpg"), "classes": "x" * 4001}},
    ],
    ids=["one name", "several", "empty ones", "query", "form"],
)
def test_classes_have_a_length_that_people_need_and_no_more(service: Service, request_: dict[str, Any]) -> None:
    answer = sent(service, 422, **request_)
    assert "4,000 characters" in answer["detail"]
    assert service.services.jobs.waiting() == []


@pytest.mark.parametrize("secret", ["", "secret", "whsec_c2hvcnQ=", "whsec_" + "A" * 90, "whsec_" + "?" * 32])
def test_a_secret_that_is_none_is_refused_and_nothing_is_queued(service: Service, secret: str) -> None:
    body = {"image": ENCODED, "webhook": "https://receiver.example/hook"}
    assert sent(service, 422, json=body, headers={"Webhook-Secret": secret})["code"] == "invalid-request"
    assert service.services.jobs.waiting() == []


def test_a_secret_without_a_webhook_is_refused(service: Service) -> None:
    answer = sent(service, 400, json={"image": ENCODED}, headers={"Webhook-Secret": "whsec_" + "A" * 32})
    assert answer["detail"] == "A Webhook-Secret needs a `webhook` that it signs."
    assert service.services.jobs.waiting() == []


def test_a_webhook_that_is_too_long_as_it_is_sent_is_refused_and_nothing_is_queued(service: Service) -> None:
    service.app.extensions["address_guard"] = Guard(resolve=lambda host, port: ["93.184.216.34"])
    for path, status in (("é" * 300, 202), ("é" * 900, 422)):
        answer = sent(service, status, json={"image": ENCODED, "webhook": f"https://receiver.example/{path}"})
    assert answer["code"] == "address-refused"
    assert "2,000 characters" in answer["detail"]
    assert len(service.services.jobs.waiting()) == 1


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, {"data": b"", "content_type": "image/jpeg", "environ_overrides": {"CONTENT_LENGTH": "0"}}),
        (400, {"json": {}}),
        (400, {"json": {"url": "https://a.example/", "image": ENCODED}}),
        (400, {"json": ["not", "an", "object"]}),
        (400, {"data": b"{", "content_type": "application/json"}),
        (400, {"json": {"image": "%%%"}}),
        (422, {"json": {"image": 5}}),
        (422, {"json": {"image": ENCODED, "treshold": 0.5}}),
        (422, {"json": {"image": ENCODED, "threshold": 2}}),
        (422, {"json": {"image": ENCODED, "threshold": None}}),
        (422, {"json": {"image": ENCODED, "analyses": ["tea leaves"]}}),
        (400, {"data": {"threshold": "0.5"}, "content_type": "multipart/form-data"}),
        (415, {"data": b"not a photo", "content_type": "image/jpeg"}),
        (422, {"data": PHOTO[:300], "content_type": "image/jpeg"}),
        (422, {"data": PHOTO, "content_type": "image/jpeg", "query_string": {"wait": "61"}}),
        (422, {"data": PHOTO, "content_type": "image/jpeg", "query_string": {"threshold": "nan"}}),
        (422, {"data": PHOTO, "content_type": "image/jpeg", "query_string": {"tresholds": "0.5"}}),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_queued(
    service: Service, status: int, request_: dict[str, Any]
) -> None:
    assert sent(service, status, **request_)["detail"]
    assert service.services.jobs.waiting() == []


def test_a_photo_beyond_the_limits_is_413(settings: Settings) -> None:
    small = Service(settings, max_upload_mb=0.1, max_megapixels=0.1)
    assert sent(small, 413, data=b"\xff" * 200_000, content_type="image/jpeg")["code"] == "upload-too-large"
    assert sent(small, 413, data=jpeg(640, 480), content_type="image/jpeg")["code"] == "too-many-pixels"
    small.close()


def test_a_full_queue_is_503_with_retry_after(settings: Settings) -> None:
    small = Service(settings, queue_max=1)
    sent(small, data=PHOTO, content_type="image/jpeg")
    answer = small.client.post("/api/v1/runs", data=jpeg(50, 40), content_type="image/jpeg")
    assert (answer.status_code, json_of(answer)["code"]) == (503, "queue-full")
    assert int(answer.headers["Retry-After"]) > 0
    small.close()


def test_only_the_owner_learns_of_the_batch_behind_a_run(service: Service) -> None:
    form = {"file": [(io.BytesIO(PHOTO), "a.jpg"), (io.BytesIO(PHOTO), "b.jpg")]}
    batch = json_of(service.client.post("/api/v1/runs", data=form))
    address = f"/api/v1/runs/{batch['runs'][0]['id']}"
    service.answer()
    stranger = service.app.test_client()
    for path in (address, f"{address}/events", f"/api/v1/batches/{batch['id']}"):
        assert batch["id"] in service.client.get(path).text
    assert json_of(stranger.get(address))["batch"] is None
    assert batch["id"] not in stranger.get(f"{address}/events").text


@pytest.mark.parametrize("names", [["x" * 4001], ["person"] * 700, [""] * 4001])
def test_names_of_classes_have_a_limit_together(service: Service, names: list[str]) -> None:
    sent = {"image": base64.b64encode(PHOTO).decode(), "classes": names}
    answer = service.client.post("/api/v1/runs", json=sent)
    assert answer.status_code == 422
    assert "4,000 characters" in answer.text
    assert service.services.jobs.waiting() == []
    assert service.client.post("/api/v1/runs", json=sent | {"classes": ["person"] * 600}).status_code == 202
