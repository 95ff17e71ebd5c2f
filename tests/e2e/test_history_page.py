"""The history in the visitor's own time, wherever that is."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import photos
from tests.e2e.steps import done, send

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
    expect(page.locator(".tile time")).to_have_text(f"{day(here)}, {here:%H:%M}")
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
    page.wait_for_url(f"**/runs?class=&q=&from=2026-03-29&to=2026-03-29&{asked}")
