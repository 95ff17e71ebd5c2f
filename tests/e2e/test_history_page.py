"""The gallery: in the visitor's own time, with photos to choose, export, delete and restore, and a way through them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import photos
from tests.e2e.steps import done, downloaded, send

Visit = Callable[..., Page]
DAY = """async ([date, now]) => (await import("/static/js/times.js")).day(new Date(date), new Date(now))"""


@pytest.fixture
def zone() -> str:
    """A place where it is another day than in Greenwich."""
    return "Pacific/Kiritimati" if datetime.now(UTC).hour >= 10 else "Pacific/Pago_Pago"


def day(moment: datetime) -> str:
    return f"{moment.day}\u00a0{moment:%b}" + ("" if moment.year == datetime.now().year else f"\u00a0{moment.year}")


def test_days_are_searched_as_they_are_shown(site: str, visit: Visit, tmp_path: Path, zone: str) -> None:
    page = visit(timezone_id=zone)
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.goto(f"{site}/runs")
    here = datetime.fromisoformat(page.locator(".tile time").get_attribute("datetime") or "").astimezone(ZoneInfo(zone))
    expect(page.locator(".day h2 time")).to_have_text(day(here))
    expect(page.locator(".tile time")).to_have_text(f"{here:%H:%M}")
    for label in ("from", "to"):
        page.get_by_label(label, exact=True).fill(f"{here:%Y-%m-%d}")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**to_offset=*")
    expect(page.locator(".tile")).to_have_count(1)
    for label in ("from", "to"):
        page.get_by_label(label, exact=True).fill(f"{here.astimezone(UTC):%Y-%m-%d}")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="No photo like this")).to_be_visible()


def test_a_page_that_was_waited_for_says_in_local_time_how_long_it_is_kept(
    site: str, visit: Visit, tmp_path: Path, zone: str
) -> None:
    page = visit(timezone_id=zone)
    send(page, site, photos.photo(tmp_path, slow=True))
    done(page)
    time = page.locator(".meta time")
    until = datetime.fromisoformat(time.get_attribute("datetime") or "")
    expect(time).to_have_text(day(until.astimezone(ZoneInfo(zone))))
    assert time.inner_text() != day(until)


def test_the_year_is_told_where_it_is_not_this_one(site: str, visit: Visit) -> None:
    page = visit(site, timezone_id="America/New_York")
    assert page.evaluate(DAY, ["2026-09-02T02:00Z", "2026-11-21T12:00Z"]) == "1\u00a0Sep"
    assert page.evaluate(DAY, ["2026-01-01T02:00Z", "2026-11-21T12:00Z"]) == "31\u00a0Dec\u00a02025"


@pytest.mark.parametrize(
    ("zone", "offsets"), [("Europe/Zurich", {"from": 60, "to": 120}), ("Asia/Kolkata", {"from": 330, "to": 330})]
)
def test_each_day_has_the_offset_of_its_own_midnight(
    site: str, visit: Visit, tmp_path: Path, zone: str, offsets: dict[str, int]
) -> None:
    page = visit(timezone_id=zone)
    send(page, site, photos.photo(tmp_path))
    page.goto(f"{site}/runs")
    for label in ("from", "to"):
        page.get_by_label(label, exact=True).fill("2026-03-29")  # Zurich's clocks are put forward.
    page.get_by_role("button", name="Search").click()
    asked = "&".join(f"{name}_offset={minutes}" for name, minutes in offsets.items())
    page.wait_for_url(f"**/runs?q=&from=2026-03-29&to=2026-03-29&{asked}")


@pytest.mark.parametrize("scripts", [True, False])
def test_chosen_photos_are_exported_deleted_and_restored(
    site: str, visit: Visit, tmp_path: Path, scripts: bool
) -> None:
    page = visit()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        send(page, site, photos.photo(tmp_path, name))
        done(page)
    if not scripts:
        page = visit(java_script_enabled=False, storage_state=page.context.storage_state())
    page.goto(f"{site}/runs")
    bar = page.get_by_role("group", name="What is chosen")
    if scripts:
        expect(bar).to_be_hidden()
    for name in ("a.jpg", "c.jpg"):
        page.get_by_label(f"Choose {name}").check(force=True)
    if scripts:
        expect(page.locator("#chosen-count")).to_have_text("2\u00a0chosen")
    bar.get_by_label("Format").select_option("coco")
    _, data = downloaded(page, "#chosen button:has-text('Export')")
    assert {image["file_name"] for image in json.loads(data)["images"]} == {"a.jpg", "c.jpg"}
    bar.get_by_role("button", name="Delete").click()
    expect(page.locator(".tile .name")).to_have_text(["b.jpg"])
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tile .name")).to_have_text(["c.jpg", "b.jpg", "a.jpg"])
    expect(page.get_by_role("status").filter(has_text="restored")).to_be_visible()


def test_all_tiles_are_chosen_at_once_and_escape_lets_them_go(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path, "a.jpg"))
    send(page, site, photos.photo(tmp_path, "b.jpg"), photos.photo(tmp_path, "c.jpg"))
    page.goto(f"{site}/runs")
    page.get_by_label("Choose a.jpg").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Choose all").click()
    expect(page.locator(".choose input:checked")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator(".choose input:checked")).to_have_count(0)
    expect(page.get_by_role("group", name="What is chosen")).to_be_hidden()


def test_thumbnails_show_the_whole_photo(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    page.goto(f"{site}/runs")
    expect(page.locator(".tile img")).to_have_css("object-fit", "contain")
    assert "labels=0" in (page.locator(".tile img").get_attribute("src") or "")


def test_a_photo_that_is_not_ready_becomes_ready_in_the_gallery(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path, slow=True))
    page.goto(f"{site}/runs")
    page.get_by_label("Choose street.jpg").check(force=True)
    expect(page.locator(".tile")).to_have_attribute("data-state", "done")
    expect(page.locator(".tile .what")).to_have_text("2\u00a0persons, 2\u00a0cars, 1\u00a0dog and 1\u00a0more")
    expect(page.get_by_label("Choose street.jpg")).to_be_checked()


def test_arrow_keys_lead_through_a_batch_and_not_out_of_the_slider(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, *(photos.photo(tmp_path, f"{n}.jpg") for n in range(3)))
    expect(page.locator(".tile[data-state=done]")).to_have_count(3)
    page.locator(".tile a").nth(1).click()
    done(page)
    expect(page.get_by_role("link", name="2 of 3")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name="3 of 3")).to_be_visible()
    done(page)
    page.locator("#threshold").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#threshold-out")).to_have_text("49\u00a0%")
    expect(page.get_by_role("link", name="3 of 3")).to_be_visible()
    page.locator("#threshold").blur()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("link", name="2 of 3")).to_be_visible()


def test_a_threshold_and_classes_are_set_for_a_whole_batch(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, *(photos.photo(tmp_path, f"{n}.jpg") for n in range(2)))
    page.locator("#threshold").fill("80")
    page.wait_for_url("**/batches/*?threshold=0.8")
    expect(page.locator(".tile .what")).to_have_text(["2\u00a0persons, 1\u00a0car"] * 2)
    page.locator(".chip", has_text="person").click()
    page.wait_for_url("**/batches/*?threshold=0.8&exclude=person")
    expect(page.locator(".tile .what")).to_have_text(["1\u00a0car"] * 2)
    page.locator(".tile a").first.click()
    page.wait_for_url("**/runs/*?threshold=0.8&exclude=person")


def test_a_class_is_one_click_and_one_more_to_let_it_go(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    for send_file in (photos.photo(tmp_path, "busy.jpg"), photos.blank(tmp_path)):
        send(page, site, send_file)
        done(page)
    page.goto(f"{site}/runs")
    expect(page.locator(".tile")).to_have_count(2)
    page.get_by_role("link", name="dog 1").click()
    expect(page.locator(".tile .name")).to_have_text(["busy.jpg"])
    page.get_by_role("link", name="dog 1").click()
    expect(page.locator(".tile")).to_have_count(2)
