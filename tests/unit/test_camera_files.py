"""Files of phones, cameras and scanners, through the pages and the APIs."""

import base64
import io
import zipfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from app.config.settings import Settings
from app.intake.formats import MEDIA_TYPES
from app.store.models import Run
from tests.conftest import ROOT
from tests.unit.api_service import PHOTO, Service, json_of
from tests.unit.photos import encode, pdf, scene, sheet
from tests.unit.visitor import Visitor

HEIC = (ROOT / "tests" / "fixtures" / "photos" / "turned_6.heic").read_bytes()
SCAN = pdf(sheet("red"), sheet("blue"))
PAGES = ["scan_page_1.jpg", "scan_page_2.jpg"]


def runs_of(service: Service, batch: str) -> Sequence[Run]:
    return service.services.store.batch_runs(batch.rpartition("/")[2])


def names_of(service: Service, batch: str) -> list[str]:
    return [run.name for run in runs_of(service, batch)]


@pytest.mark.parametrize("data", [HEIC, encode(scene(96, 64), "AVIF")], ids=["heic", "avif"])
def test_the_page_shows_our_rendering_which_every_browser_can_show(visitor: Visitor, data: bytes) -> None:
    address = visitor.run(data, "IMG_0001.HEIC")
    for query in ("", "?plain=1"):
        answer = visitor.get(f"{address}/image{query}")
        assert answer.mimetype == "image/jpeg"
        with Image.open(io.BytesIO(answer.data)) as picture:
            assert picture.size == (96, 64)
    assert "filename=detected_IMG_0001.jpg" in visitor.get(f"{address}/download").headers["Content-Disposition"]


def test_a_pdf_of_one_page_is_a_run_and_of_several_a_batch(visitor: Visitor, service: Service) -> None:
    assert visitor.send((pdf(sheet("red")), "scan.pdf")).location.startswith("/runs/")
    batch = visitor.send((SCAN, "scan.pdf")).location
    assert names_of(service, batch) == PAGES
    assert {(run.photo.format, run.photo.width) for run in runs_of(service, batch)} == {("jpeg", 278)}


def test_pdfs_are_unfolded_in_a_batch_and_in_a_zip(visitor: Visitor, service: Service) -> None:
    batch = visitor.send((PHOTO, "a.jpg"), (SCAN, "scan.pdf")).location
    assert names_of(service, batch) == ["a.jpg", *PAGES]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in (("2025/scan.pdf", SCAN), ("a.heic", HEIC), ("b.pdf", b"%PDF-1.7 nothing"), ("c.jpg", PHOTO)):
            archive.writestr(name, data)
    batch = visitor.send((file.getvalue(), "all.zip")).location
    assert names_of(service, batch) == [f"2025/{PAGES[0]}", f"2025/{PAGES[1]}", "a.heic", "c.jpg"]
    assert "b.pdf" in visitor.get(batch).text


def test_a_pdf_beyond_the_limit_is_not_opened(settings: Settings) -> None:
    with closing(Service(replace(settings, max_upload_mb=0.1))) as service:
        data = SCAN.ljust(200_000, b"\n")
        assert json_of(Visitor(service).send((data, "a.pdf"), accept="application/json"))["code"] == "upload-too-large"
        batch = Visitor(service).send((data, "a.pdf"), (PHOTO, "b.jpg")).location
        assert names_of(service, batch) == ["b.jpg"]
        assert service.client.post("/api/v1/runs", data=data).status_code == 413


def test_pages_count_as_photos_of_a_batch(settings: Settings) -> None:
    with closing(Service(replace(settings, batch_max=3))) as service:
        visitor = Visitor(service)
        batch = visitor.send((SCAN, "one.pdf"), (SCAN, "two.pdf"), (PHOTO, "a.jpg")).location
        assert names_of(service, batch) == ["one_page_1.jpg", "one_page_2.jpg", "two_page_1.jpg"]
        page = visitor.get(batch).text
        assert "two.pdf, from page 2" in page
        assert "a.jpg" in page


def post(service: Service, status: int, **request: Any) -> Any:
    answer = service.client.post("/api/v1/runs", **request)
    assert answer.status_code == status, answer.data
    return json_of(answer)


def test_the_api_makes_a_batch_of_a_pdfs_pages_however_it_is_sent(service: Service) -> None:
    for request in (
        {"data": SCAN, "content_type": "application/pdf", "query_string": {"name": "scan.pdf"}},
        {"data": {"file": (io.BytesIO(SCAN), "scan.pdf")}},
        {"json": {"image": base64.b64encode(SCAN).decode(), "name": "scan.pdf"}},
    ):
        assert [run["name"] for run in post(service, 202, **request)["runs"]] == PAGES
    files = [(io.BytesIO(data), name) for data, name in ((SCAN, "scan.pdf"), (PHOTO, "a.jpg"), (HEIC, "b.heic"))]
    assert [run["name"] for run in post(service, 202, data={"file": files})["runs"]] == [*PAGES, "a.jpg", "b.heic"]


def test_a_repeated_request_for_a_pdf_finds_its_batch(service: Service) -> None:
    request = {"data": SCAN, "content_type": "application/pdf", "headers": {"Idempotency-Key": "k"}}
    assert post(service, 202, **request)["id"] == post(service, 202, **request)["id"]


def test_the_api_says_what_became_of_a_file(service: Service) -> None:
    run = post(service, 202, data=pdf(sheet("red")), content_type="application/pdf", query_string={"name": "a.pdf"})
    assert (run["name"], run["photo"]["format"]) == ("a.pdf", "jpeg")
    run = post(service, 202, data=HEIC, content_type="image/heic")
    assert (run["photo"]["format"], run["photo"]["width"], run["photo"]["bytes"]) == ("heic", 96, len(HEIC))


@pytest.mark.parametrize("path", ["/api/v1/drawings", "/classify"])
def test_interfaces_for_one_photo_refuse_a_pdf_of_several_pages(service: Service, path: str) -> None:
    answer = service.client.post(path, data=SCAN, content_type="application/pdf")
    assert answer.status_code == 422
    assert "2 pages" in answer.text


def test_media_types_are_described_and_offered(service: Service, visitor: Visitor) -> None:
    spec = json_of(service.client.get("/api/v1/openapi.json"))
    assert set(MEDIA_TYPES) <= set(spec["paths"]["/api/v1/runs"]["post"]["requestBody"]["content"])
    for page in ("/", "/board", "/draw"):
        assert f'accept="{",".join(MEDIA_TYPES)},.heic' in visitor.get(page).text, page
