"""Data sets in a browser: made, filled, read and taken out."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from app.queue.services import Services
from tests.e2e import photos
from tests.e2e.steps import data_set, done, downloaded, empty_data_set, send


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


def test_a_corrected_photo_goes_into_a_data_set_and_from_there_to_a_training(
    site: str, site_services: Services, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    address = page.url
    page.locator("#correct").click()
    expect(page.locator(".things").first.locator("li")).to_have_count(6)
    page.get_by_role("button", name="Nothing is missing", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/[\w-]+$"))
    empty_data_set(page, site)
    page.get_by_label("Address of a photo").fill(address)
    page.get_by_role("button", name="Add checked photos").click()
    expect(page.locator(".tile")).to_have_count(1)
    id = page.url.rpartition("/")[2]
    site_services.jobs.trainer_beat()
    page.get_by_role("link", name="Train a model").click()
    expect(page.locator("select[name=data_set]")).to_have_value(id)
