"""What every page is made of: few type sizes, and little to load."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config.settings import ROOT, Settings
from tests.unit.api_service import Service, running
from tests.unit.visitor import Visitor

STATIC = ROOT / "app" / "static"
SIZES = {"13px", "15px", "18px", "24px", "44px", "inherit"}
FIELDS_ON_PHONES = "font-size: 16px !important;"  # Phones enlarge the page at fields of smaller letters.
MAX_BYTES = 150_000
KEY = "the key of the admin"
_LOADED = re.compile(r'<(?:link rel="(?:stylesheet|modulepreload)" href|script type="module" src)="([^"]+)"')
_IMPORTED = re.compile(r'(?:from|import) "(\.[^"]+\.js)"')


def sheets() -> list[Path]:
    return sorted(STATIC.rglob("*.css"))


@pytest.mark.parametrize("path", sheets(), ids=lambda path: path.name)
def test_type_has_five_sizes(path: Path) -> None:
    text = path.read_text().replace(FIELDS_ON_PHONES, "")
    sizes = re.findall(r"font-size:\s*([^;]+);|[\s;]font:\s*(?:\d+ )?([^;\s]+)", text)
    sizes = [size or short for size, short in sizes]
    assert set(sizes) <= SIZES


def loaded(page: str) -> set[Path]:
    """The scripts and style sheets that a page loads, for itself and ahead of the next one."""
    addresses = [address for address in _LOADED.findall(page) if address.startswith("/static/")]
    found = [STATIC / re.sub(r"^/static/[0-9a-f]{12}/", "", address) for address in addresses]
    for path in found:
        if path.suffix == ".js":
            imported = [(path.parent / name).resolve() for name in _IMPORTED.findall(path.read_text())]
            found += [other for other in imported if other not in found]
    return {path for path in found if path.suffix in (".js", ".css")}


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, admin_key=KEY)


def test_every_page_has_less_than_150_kb_of_script_and_style(visitor: Visitor, service: Service) -> None:
    run = visitor.run()
    batch = visitor.send((b"x", "a.txt"), (b"x", "b.txt")).location
    visitor.client.post("/admin", data={"csrf_token": visitor.token("/admin"), "key": KEY})
    visitors = ("/", "/runs", "/models", "/draw", "/teach", "/docs", "/upload")
    for address in (*visitors, "/datasets", "/trainings", "/versions", run, f"{run}/correct", batch):
        files = loaded(visitor.get(address).text)
        assert STATIC / "css" / "base.css" in files, address
        assert sum(path.stat().st_size for path in files) < MAX_BYTES, address
