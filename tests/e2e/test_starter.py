"""The real worker with the model of the repository: a photo of a cup of coffee goes in, an annotated one comes out."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.e2e.steps import done, downloaded, slide

COFFEE = ROOT / "test_images" / "coffee.jpg"


@pytest.mark.slow
def test_the_starter_finds_things_in_a_real_photo(visit: Callable[..., Page], serve: Callable[..., str]) -> None:
    page = visit(serve(ANALYSES="objects", MODEL="auto"))
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
