"""What is larger than a photo may be is not read into memory to find that out."""

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from app.config.settings import Settings
from tests.unit.api_service import PHOTO, Service, running
from tests.unit.visitor import Visitor

MB = 2**20
HUGE = PHOTO[:100] + bytes(24 * MB)


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, max_upload_mb=0.25)


def form(**fields: Any) -> tuple[bytes, str]:
    """A form as a browser sends it, and its content type."""
    environ = EnvironBuilder(method="POST", data=fields).get_environ()
    return environ["wsgi.input"].read(), environ["CONTENT_TYPE"]


def peak(visitor: Visitor, address: str, body: bytes, content_type: str) -> tuple[int, int]:
    """Status of the answer, and the most bytes that the request took."""
    tracemalloc.start()
    try:
        answer = visitor.client.post(address, data=body, content_type=content_type)
        return answer.status_code, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/", "photo"),
        ("/draw", "drawing"),
        ("/api/v1/runs", "file"),
        ("/do_data_science", "file"),
        ("/demo_file", "file"),
    ],
)
def test_a_forms_file_that_is_too_large_is_refused_without_room_for_it(
    service: Service, address: str, field: str
) -> None:
    visitor = Visitor(service)
    fields = {} if address == "/api/v1/runs" else {"csrf_token": visitor.token()}
    for data in (PHOTO[:100], HUGE):  # the first one loads what the first request needs
        status, most = peak(visitor, address, *form(**fields, **{field: (io.BytesIO(data), "a.jpg")}))
    assert status == 413
    assert most < 8 * MB


@pytest.mark.parametrize("address", ["/api/v1/runs", "/api/v1/drawings", "/classify"])
def test_a_raw_body_that_calls_itself_a_zip_is_no_way_around(service: Service, address: str) -> None:
    for body in (PHOTO[:100], HUGE):
        status, most = peak(Visitor(service), address, body, "application/zip")
    assert status == 413
    assert most < 8 * MB


def test_the_files_of_a_form_are_in_memory_one_at_a_time(settings: Settings) -> None:
    service = Service(settings, max_upload_mb=4)
    files = [(io.BytesIO(PHOTO + bytes(3 * MB)), f"{n}.jpg") for n in range(8)]
    service.post(PHOTO)
    status, most = peak(Visitor(service), "/api/v1/runs", *form(file=files))
    assert status == 202
    assert most < 20 * MB
    service.close()
