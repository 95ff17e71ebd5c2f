"""An upload that is too large is refused without reading it into memory."""

import io
from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from tests.unit.api_service import PHOTO, Service, running
from tests.unit.visitor import Visitor, form_body, peak_memory

MB = 2**20
HUGE = PHOTO[:100] + bytes(24 * MB)


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, max_upload_mb=0.25)


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/", "photo"),
        ("/api/v1/runs", "file"),
        ("/do_data_science", "file"),
        ("/demo_file", "file"),
    ],
)
def test_a_form_file_that_is_too_large_is_refused_without_reading_it_into_memory(
    service: Service, address: str, field: str
) -> None:
    visitor = Visitor(service)
    fields = {} if address == "/api/v1/runs" else {"csrf_token": visitor.token()}
    for data in (PHOTO[:100], HUGE):  # The first request loads modules.
        status, peak = peak_memory(
            visitor.client, address, *form_body(**fields, **{field: (io.BytesIO(data), "a.jpg")})
        )
    assert status == 413
    assert peak < 8 * MB


@pytest.mark.parametrize("address", ["/api/v1/runs", "/classify"])
def test_the_media_type_of_a_zip_does_not_allow_a_larger_raw_body(service: Service, address: str) -> None:
    for body in (PHOTO[:100], HUGE):
        status, peak = peak_memory(Visitor(service).client, address, body, "application/zip")
    assert status == 413
    assert peak < 8 * MB


def test_the_files_of_a_form_are_in_memory_one_at_a_time(settings: Settings) -> None:
    service = Service(settings, max_upload_mb=4)
    files = [(io.BytesIO(PHOTO + bytes(3 * MB)), f"{n}.jpg") for n in range(8)]
    service.post(PHOTO)
    status, peak = peak_memory(Visitor(service).client, "/api/v1/runs", *form_body(file=files))
    assert status == 202
    assert peak < 20 * MB
    service.close()


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/api/v1/runs", b'{"image":"eA==","z":[%s]}'),
        ("/api/v1/drawings", b'{"strokes":[%s]}'),
        ("/image", b'{"Uint8array":"eA==","z":[%s]}'),
        ("/image", b'{"Uint8array":[255],"z":[%s]}'),
    ],
)
def test_json_of_very_many_values_is_refused_before_it_takes_memory(
    service: Service, address: str, body: bytes
) -> None:
    for data in (body % b"", body % b",".join([b"[]"] * 300_000)):  # The first request loads modules.
        status, peak = peak_memory(Visitor(service).client, address, data, "application/json")
    assert status == 422
    assert peak < 8 * MB


def test_members_that_are_not_known_are_listed_up_to_a_number(service: Service) -> None:
    body = {"image": "eA==", **{f"{n}{'x' * 500}": 1 for n in range(1000)}}
    answer = service.client.post("/api/v1/runs", json=body)
    assert (answer.status_code, len(answer.json["errors"])) == (422, 20)
    assert len(answer.data) < 8000
