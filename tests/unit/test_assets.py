"""Scripts, style sheets and fonts: how long they are kept, and how they are sent."""

import gzip
import mimetypes
import posixpath
import re
from pathlib import Path

import pytest
from flask import Flask, url_for

from app.config.settings import ROOT, Settings
from app.web.common import assets
from tests.unit.api_service import Service, module_service, running

service = module_service
STATIC = ROOT / "app" / "static"
GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def addresses(page: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+\.(?:css|js|svg|woff2))"', page)


@pytest.mark.parametrize("page", ["/", "/runs", "/draw", "/board", "/docs"])
def test_all_files_of_a_page_are_kept_for_good(service: Service, page: str) -> None:
    found = addresses(service.client.get(page).text)
    assert len(found) > 3
    for address in found:
        answer = service.client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")


def test_whatever_a_file_of_a_page_refers_to_is_beside_it(service: Service) -> None:
    seen: set[str] = set()
    waiting = addresses(service.client.get("/").text)
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = service.client.get(address)
        assert answer.headers["Cache-Control"] == assets.FOR_GOOD, address
        if address.endswith((".js", ".css")):
            for name in re.findall(r'(?:from |url\()"(\.{1,2}/[^"]+)"', answer.text):
                waiting.append(service.client.get(address).request.path.rpartition("/")[0] + "/" + name)
    assert any(address.endswith("dom.js") for address in seen)


@pytest.mark.parametrize("address", ["/static/css/base.css", "/static/0123456789ab/css/base.css"])
def test_without_this_version_a_browser_asks_again(service: Service, address: str) -> None:
    answer = service.client.get(address)
    assert answer.data == (STATIC / "css" / "base.css").read_bytes()
    assert answer.headers["Cache-Control"] == "public, no-cache"


def test_text_is_compressed_for_those_who_can_unpack_it(service: Service) -> None:
    plain = service.client.get("/static/js/viewer.js")
    packed = service.client.get("/static/js/viewer.js", headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert plain.headers["Content-Type"] == packed.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_a_font_is_sent_as_it_is(service: Service) -> None:
    font = service.client.get("/static/fonts/inter-latin.woff2", headers=GZIP)
    assert "Content-Encoding" not in font.headers
    assert font.data == (STATIC / "fonts" / "inter-latin.woff2").read_bytes()


@pytest.mark.parametrize("headers", [{}, GZIP])
def test_whoever_has_the_file_gets_no_second_copy(service: Service, headers: dict[str, str]) -> None:
    etag = service.client.get("/static/js/page.js", headers=headers).headers["ETag"]
    again = service.client.get("/static/js/page.js", headers={**headers, "If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "../__init__.py", "..%2f__init__.py", "js", "js/../../errors.py"])
def test_only_files_of_the_folder_are_served(service: Service, name: str) -> None:
    version = addresses(service.client.get("/").text)[0].split("/")[2]
    for prefix in ("", f"{version}/"):
        assert service.client.get(f"/static/{prefix}{name}").status_code == 404


def test_the_address_changes_with_any_file_of_the_folder(tmp_path: Path) -> None:
    def address() -> str:
        app = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")
        assets.init_app(app)
        with app.test_request_context():
            return url_for("static", filename="a.js")

    (tmp_path / "a.js").write_text('import "./b.js";')
    (tmp_path / "b.js").write_text("1")
    first = address()
    assert address() == first
    (tmp_path / "b.js").write_text("2")
    assert address() != first


@pytest.mark.parametrize("page", ["/", "/runs", "/draw", "/docs", "/models"])
def test_all_modules_of_a_page_are_asked_for_at_once(service: Service, page: str) -> None:
    """None waits until the one that imports it has come."""
    text = service.client.get(page).text
    asked = set(re.findall(r'<(?:link rel="modulepreload" href|script type="module" src)="([^"]+)"', text))
    assert len(asked) > 3
    for address in asked:
        for name in re.findall(
            r'^(?:import|export)\b[^;]*?"(\.[^"]+)";', service.client.get(address).text, re.MULTILINE
        ):
            assert posixpath.normpath(posixpath.join(posixpath.dirname(address), name)) in asked, f"{address}: {name}"


def test_every_file_has_its_media_type_on_a_machine_without_a_table_of_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mimetypes, "guess_type", lambda name, strict=True: (None, None))
    files = [path.relative_to(STATIC) for path in STATIC.rglob("*") if path.is_file()]
    for service in running(settings):
        types = {path.suffix: service.client.get(f"/static/{path.as_posix()}").mimetype for path in files}
    assert types == {
        ".js": "text/javascript",
        ".css": "text/css",
        ".svg": "image/svg+xml",
        ".woff2": "font/woff2",
        ".webp": "image/webp",
        ".avif": "image/avif",
        ".jpg": "image/jpeg",
        ".txt": "text/plain",
    }


def test_a_sample_has_its_small_picture_and_what_is_found_in_it(service: Service) -> None:
    for name in re.findall(r'name="sample" value="([^"]+)"', service.client.get("/").text):
        for file in (f"{Path(name).stem}.avif", f"{Path(name).stem}_found.avif"):
            assert (STATIC / "samples" / file).stat().st_size < 10_000


@pytest.mark.parametrize(
    "path", [path for path in STATIC.rglob("*.css") if path.name != "run.css"], ids=lambda p: p.name
)
def test_letters_have_one_of_five_sizes(path: Path) -> None:
    """13, 15, 18, 24 and 44 px; 16 px only in the fields of phones; code and the like follow what is around it."""
    sizes = set(re.findall(r"(?:font-size:|font:[^;]*?)\s(\d+px|clamp[^;]*)", path.read_text()))
    assert sizes <= {"13px", "15px", "18px", "24px", "44px"} | ({"16px"} if path.name == "base.css" else set())
