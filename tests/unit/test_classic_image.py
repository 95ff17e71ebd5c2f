"""The second classic API: `POST /image`."""

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from app.config.settings import Settings
from tests.unit.api_service import PHOTO, SIZE, Service, json_of
from tests.unit.photos import encode, scene

ENCODED = base64.b64encode(PHOTO).decode()


def post(service: Service, status: int = 200, **request: Any) -> Any:
    with service.answering():
        answer = service.client.post("/image", **request)
    assert answer.status_code == status, answer.data
    return answer.json


def test_the_answer_is_the_annotated_photo_and_what_is_drawn_on_it(service: Service) -> None:
    body = post(service, json={"name": "a.jpg", "Uint8array": ENCODED})
    picture = base64.b64decode(body["prediction_image"])
    shown = Image.open(io.BytesIO(picture))
    assert (shown.format, shown.size) == ("JPEG", (320, 240))
    assert picture != PHOTO
    assert (body["name"], body["ext"], body["size"], body["processed"]) == ("modified-a.jpg", "jpg", len(picture), True)
    assert body["labels"] == ["car", "dog"]
    assert body["scores"] == pytest.approx([0.98, 0.7])
    assert body["boxes"] == [[10, 20, 110, 90], [150, 60, 300, 220]]


@pytest.mark.parametrize(
    "content",
    [ENCODED, f"data:image/jpeg;base64,{ENCODED}", list(PHOTO), {str(i): value for i, value in enumerate(PHOTO)}],
    ids=["base64", "data-url", "list", "stringified"],
)
def test_the_bytes_come_as_base64_or_as_a_list_of_values(service: Service, content: Any) -> None:
    body = json.dumps({"name": "a.jpg", "Uint8array": content})  # Members in their order, as JavaScript writes them.
    assert post(service, data=body, content_type="application/json")["labels"] == ["car", "dog"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize("form", ["list", "base64"])
def test_a_photo_may_have_the_whole_limit_in_both_forms(settings: Settings, form: str, content_type: str) -> None:
    small = Service(settings, max_upload_mb=0.5)
    for more, status in ((0, 415), (1, 413)):  # 415: it was read, and is no photo
        data = b"\xff" * (small.settings.max_upload_bytes + more)
        content = list(data) if form == "list" else base64.b64encode(data).decode()
        answer = small.client.post("/image", data=json.dumps({"Uint8array": content}), content_type=content_type)
        assert answer.status_code == status
    small.close()


def test_json_beyond_every_form_is_413_with_what_is_true(settings: Settings) -> None:
    small = Service(settings, max_upload_mb=0.1)
    for size, sentence in ((1_300_000, "This JSON is larger than 1.13 MB"), (1_600_000, "larger than 1.5 MB")):
        answer = small.client.post("/image", json={"Uint8array": "A" * size})
        assert answer.status_code == 413
        assert sentence in json_of(answer)["error"]
    small.close()


def test_json_that_is_nested_too_deeply_cannot_be_understood(service: Service) -> None:
    body = post(service, 400, data=b"[" * 9_000, content_type="application/json")
    assert body == {"processed": False, "error": "This request cannot be understood."}


@pytest.mark.parametrize(
    ("name", "format", "modified", "ext"),
    [
        ("a.JPEG", "JPEG", "modified-a.JPEG", "jpg"),
        ("a.png", "PNG", "modified-a.png", "png"),
        ("a.bmp", "BMP", "modified-a.png", "png"),
        ("a.jpg", "PNG", "modified-a.png", "png"),
        ("../../etc/passwd", "JPEG", "modified-passwd.jpg", "jpg"),
        ("", "JPEG", "modified-photo.jpg", "jpg"),
    ],
)
def test_the_name_has_an_ending_that_is_true(service: Service, name: str, format: str, modified: str, ext: str) -> None:
    data = encode(scene(SIZE[1], SIZE[0]), format)
    body = post(service, json={"name": name, "Uint8array": base64.b64encode(data).decode()})
    assert (body["name"], body["ext"]) == (modified, ext)
    assert (
        Image.open(io.BytesIO(base64.b64decode(body["prediction_image"]))).format == {"jpg": "JPEG", "png": "PNG"}[ext]
    )


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, {"json": {"name": "a.jpg"}}),
        (400, {"json": {"name": "a.jpg", "Uint8array": ""}}),
        (400, {"json": {"name": "a.jpg", "Uint8array": [1, 2, 256]}}),
        (400, {"json": {"name": "a.jpg", "Uint8array": [1, 2, True]}}),
        (400, {"json": {"name": "a.jpg", "Uint8array": {"length": 2}}}),
        (400, {"json": {"name": "a.jpg", "Uint8array": 5}}),
        (400, {"json": {"name": "a.jpg", "Uint8array": "%%%"}}),
        (400, {"json": {"name": 7, "Uint8array": ENCODED}}),
        (400, {"json": [1]}),
        (400, {"data": b"{", "content_type": "application/json"}),
        (415, {"json": {"name": "a.jpg", "Uint8array": base64.b64encode(b"text").decode()}}),
        (422, {"json": {"name": "a.jpg", "Uint8array": base64.b64encode(PHOTO[:500]).decode()}}),
    ],
)
def test_bad_input_is_refused_in_the_answers_own_shape(service: Service, status: int, request_: dict[str, Any]) -> None:
    body = post(service, status, **request_)
    assert set(body) == {"processed", "error"}
    assert body["processed"] is False
    assert body["error"].endswith(".")
