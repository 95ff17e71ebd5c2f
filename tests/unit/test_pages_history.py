"""The history lists a visitor's own runs, by class and by date, page by page."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.settings import Settings
from app.web.pages import history
from tests.unit.api_service import SIZE, Service, running
from tests.unit.photos import jpeg
from tests.unit.results import objects
from tests.unit.visitor import Visitor


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings)


@pytest.fixture
def visitor(service: Service) -> Visitor:
    return Visitor(service)


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
    assert "zebra" in empty


def test_dates_narrow_the_list_both_days_included(visitor: Visitor) -> None:
    visitor.run(name="today.jpg")
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    assert names(visitor.get(f"/runs?from={today}&to={today}").text) == ["today.jpg"]
    assert names(visitor.get(f"/runs?to={yesterday}").text) == []


def test_a_date_that_is_none_is_refused_in_plain_words(visitor: Visitor) -> None:
    answer = visitor.get("/runs?from=yesterday")
    assert answer.status_code == 400
    assert "This is not a date" in answer.text


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
