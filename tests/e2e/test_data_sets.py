"""Data sets in a browser: made, filled, read and taken out."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.steps import data_set, downloaded


def test_an_administrator_makes_a_data_set_merges_classes_and_exports_it(
    site: str, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit()
    data_set(page, site, tmp_path)
    expect(page.get_by_text("3 photos added.")).to_be_visible()
    expect(page.get_by_role("row", name="wood screw")).to_contain_text("3")
    page.get_by_text("Rename, merge or remove a class").click()
    page.locator(".fields select[name=class]").select_option("nail")
    page.get_by_label("New name").fill("wood screw")
    page.get_by_role("button", name="Rename or merge").click()
    expect(page.get_by_role("row", name="wood screw")).to_contain_text("6")
    expect(page.get_by_role("row", name="nail")).to_have_count(0)
    page.get_by_text("Export").click()
    name, data = downloaded(page, "[data-format=yolo]")
    assert name == "Screws_yolo.zip"
    assert zipfile.ZipFile(io.BytesIO(data)).read("classes.txt") == b"wood screw\n"
    page.get_by_role("button", name="Take 0.jpg out").click()
    expect(page.locator(".tile")).to_have_count(2)
