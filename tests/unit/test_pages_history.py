"""The history lists a visitor's own runs, by class and by date, page by page."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from app.store.models import Run
from app.web.pages import history
from tests.unit.api_service import SIZE, Service
from tests.unit.photos import jpeg
from tests.unit.results import objects
from tests.unit.visitor import Visitor


def names(page: str) -> list[str]:
    return re.findall(r'<span class="name">([^<]+)', page)


def test_no_runs_yet_leads_to_the_start(visitor: Visitor) -> None:
    page = visitor.get("/runs").text
    assert "No photos yet" in page
    assert 'class="filter"' not in page


def test_own_runs_are_listed_newest_first_and_nobody_elses(visitor: Visitor, service: Service) -> None:
    Visitor(service).run(name="other.jpg")
    for name in ("first.jpg", "second.jpg"):
        visitor.run(name=name)
    assert names(visitor.get("/runs").text) == ["second.jpg", "first.jpg"]


def test_a_class_narrows_the_list(visitor: Visitor, service: Service) -> None:
    visitor.run(jpeg(*SIZE[::-1]), name="both.jpg")
    service.found |= objects(SIZE, ("kite", 0.9, (10, 20, 110, 90)))
    visitor.run(jpeg(99), name="kite.jpg")
    assert names(visitor.get("/runs?class=kite").text) == ["kite.jpg"]
    page = visitor.get("/runs").text
    assert '<option value="dog">' in page
    empty = visitor.get("/runs?class=zebra").text
    assert "No photo like this" in empty
    assert "shows a zebra" in empty
    assert "shows an elephant" in visitor.get("/runs?class=elephant").text


def test_dates_narrow_the_list_both_days_included(visitor: Visitor) -> None:
    visitor.run(name="today.jpg")
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    assert names(visitor.get(f"/runs?from={today}&to={today}").text) == ["today.jpg"]
    assert names(visitor.get(f"/runs?to={yesterday}").text) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from=2026-03-02&to=2026-03-02", []),
        ("from=2026-03-01&to=2026-03-01", ["late.jpg"]),
        ("from=2026-03-02&from_offset=60&to=2026-03-02&to_offset=60", ["late.jpg"]),
        ("from=2026-03-01&from_offset=60&to=2026-03-01&to_offset=60", []),
        ("from=2026-03-01&from_offset=-300&to=2026-03-01&to_offset=-300", ["late.jpg"]),
        ("to=2026-03-01&to_offset=30", ["late.jpg"]),
        ("to=2026-03-01&to_offset=31", []),
    ],
)
def test_days_are_those_of_the_visitors_clock(visitor: Visitor, service: Service, query: str, found: list[str]) -> None:
    visitor.run(name="late.jpg")
    with service.services.store.database.writing() as session:
        session.execute(update(Run).values(created_at=datetime(2026, 3, 1, 23, 29, 59, tzinfo=UTC)))
    assert names(visitor.get(f"/runs?{query}").text) == found


@pytest.mark.parametrize("offset", ["1441", "-1441", "1.5", "an hour", "--1", "9" * 400])
def test_an_offset_that_no_clock_has_is_refused_in_plain_words(visitor: Visitor, offset: str) -> None:
    answer = visitor.get(f"/runs?from=2026-03-01&from_offset={offset}")
    assert answer.status_code == 400
    assert "minutes ahead of UTC" in answer.text


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_first_and_the_last_day_of_all_can_be_asked_for_or_are_refused(visitor: Visitor, day: str) -> None:
    query = f"from={day}&from_offset=840&to={day}&to_offset=-720"
    assert visitor.get(f"/runs?{query}").status_code == 400


def test_a_malformed_date_is_refused_in_plain_words(visitor: Visitor) -> None:
    answer = visitor.get("/runs?from=yesterday")
    assert answer.status_code == 400
    assert "This is not a date" in answer.text
    assert "Back to the start" in answer.text
    assert "Choose another photo" not in answer.text


def test_pages_follow_by_cursor_and_keep_the_search(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    for n in range(5):
        visitor.run(name=f"{n}.jpg")
    seen, address = [], "/runs?class=car"
    while address:
        page = visitor.get(address).text
        seen += names(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        address = older[1].replace("&amp;", "&") if older else ""
        assert "class=car" in address or not address
    assert seen == ["4.jpg", "3.jpg", "2.jpg", "1.jpg", "0.jpg"]


def test_a_made_up_cursor_is_refused(visitor: Visitor) -> None:
    assert visitor.get("/runs?cursor=abc").status_code == 400
