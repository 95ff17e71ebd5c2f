"""Data sets in a browser: made, filled, read and taken out."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from app.queue.services import Services
from tests.e2e import photos
from tests.e2e.steps import data_set, downloaded, let_train, send, sign_in


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


def test_a_batch_is_checked_in_a_row_and_goes_into_a_data_set_and_to_a_training(
    site: str, site_services: Services, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page, photo = visit(), photos.photo(tmp_path)
    sign_in(page, site)
    ImageOps.mirror(Image.open(photo)).save(tmp_path / "mirrored.jpg")  # No near-duplicate: it may be measured on.
    send(page, site, photo, tmp_path / "mirrored.jpg")
    expect(page.locator(".tile[data-state=done]")).to_have_count(2)
    batch = page.url
    page.get_by_role("link", name="Correct in a row").click()
    for after in (re.compile("/correct"), batch):
        expect(page.locator(".things").first.locator("li")).to_have_count(6)
        here = page.url
        page.keyboard.press("Enter")
        page.wait_for_url(lambda address, here=here: address != here)  # type: ignore[misc]
        expect(page).to_have_url(after)
    page.get_by_role("link", name="Add to a data set").click()
    page.get_by_label("Name").fill("Screws")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Add checked photos").click()
    expect(page.locator(".tile")).to_have_count(2)
    id = page.url.rpartition("/")[2]
    let_train(site_services)
    page.get_by_role("link", name="Train a model").click()
    expect(page.locator("select[name=data_set]")).to_have_value(id)
