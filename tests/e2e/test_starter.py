"""The real worker with the model of the repository: a photo of a cat goes in, an annotated one comes out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.e2e import stack
from tests.e2e.steps import done, downloaded, slide

COFFEE = ROOT / "test_images" / "coffee.jpg"


@pytest.mark.slow
def test_the_starter_finds_things_in_a_real_photo(visit: Callable[..., Page], tmp_path: Path, redis_url: str) -> None:
    with stack.serving(tmp_path, redis_url.replace("/0", "/1"), ANALYSES="objects", MODEL="auto") as site:
        page = visit(site)
        page.set_input_files("#photo", str(COFFEE))
        page.wait_for_selector("#run[data-state=done] svg", state="attached", timeout=60_000)
        done(page)
        slide(page, 5)
        assert page.locator("#list li:not([hidden])").count() > 0
        name, data = downloaded(page)
        assert name == "detected_coffee.jpg"
        assert data == page.request.get(f"{page.url.split('?')[0]}/image?threshold=0.05").body()
        assert data != COFFEE.read_bytes()
        expect(page.locator(".status")).to_contain_text("Ready")
