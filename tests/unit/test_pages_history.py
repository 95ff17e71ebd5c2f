"""The history lists a visitor's own runs, by class and by date, page by page."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.store.models import Run
from app.store.retention import RESTORABLE
from app.web.pages import history
from tests.unit.api_service import SIZE, Service, json_of
from tests.unit.photos import jpeg
from tests.unit.results import objects
from tests.unit.visitor import Visitor


def names(page: str) -> list[str]:
    return re.findall(r'<span class="name" dir="auto">([^<]+)', page)


def chips(page: str) -> dict[str, str]:
    return dict(re.findall(r'<a class="chip"[^>]*><span>([^<]+)</span> <b>([^<]+)', page))


def texts(page: str) -> list[str]:
    found: list[str] = re.findall(r'<span class="what">([^<]+)', page)
    return [text.replace("\u00a0", " ") for text in found]


def send_batch(visitor: Visitor, *names: str) -> str:
    """Send a batch and analyse it; returns its id."""
    files = [(jpeg(60 + n), name) for n, name in enumerate(names)]
    address = visitor.send(*files).location
    visitor.service.answer()
    return address.rsplit("/", 1)[-1]


def chosen(visitor: Visitor, what: str, **fields: object) -> TestResponse:
    return visitor.client.post(f"/runs/chosen/{what}", data={"csrf_token": visitor.token("/runs"), **fields})


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
    assert chips(page) == {"car": "1", "dog": "1", "kite": "1"}
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


def test_a_tile_says_what_was_found(visitor: Visitor, service: Service) -> None:
    found = [("person", 0.9), ("person", 0.8), ("dog", 0.95), ("person", 0.7), ("cat", 0.4)]
    apart = [(name, score, (10 + 50 * n, 20, 50 + 50 * n, 90)) for n, (name, score) in enumerate(found)]
    rival = ("cat", 0.9, (110, 20, 150, 90))
    service.found |= objects(SIZE, *apart, rival)
    visitor.run()
    assert texts(visitor.get("/runs").text) == ["3 persons, 1 dog"]
    service.found |= objects(SIZE, ("cat", 0.4, (10, 20, 110, 90)))
    visitor.run(jpeg(99))
    assert texts(visitor.get("/runs").text)[0] == "Nothing above 50 %"


def test_a_batch_is_one_tile_and_a_search_shows_its_photos(visitor: Visitor) -> None:
    visitor.run(name="alone.jpg")
    batch = send_batch(visitor, "a.jpg", "b.jpg", "c.jpg")
    page = visitor.get("/runs").text
    assert names(page) == ["3\u00a0photos", "alone.jpg"]
    assert f'href="/batches/{batch}"' in page
    assert texts(page)[0] == "car and dog"
    assert sorted(names(visitor.get("/runs?class=car").text)) == ["a.jpg", "alone.jpg", "b.jpg", "c.jpg"]


def test_a_batch_that_is_not_ready_says_so(visitor: Visitor) -> None:
    visitor.send((jpeg(61), "a.jpg"), (jpeg(62), "b.jpg"))
    assert texts(visitor.get("/runs").text) == ["2 of them not ready yet"]


@pytest.mark.parametrize("asked", ["école", "ÉCOLE", "2026"])
def test_names_are_searched(visitor: Visitor, asked: str) -> None:
    visitor.run(name="École 2026.jpg")
    visitor.run(jpeg(99), name="street.jpg")
    assert names(visitor.get("/runs", query_string={"q": asked}).text) == ["École 2026.jpg"]


def test_photos_stand_under_their_days(visitor: Visitor, service: Service) -> None:
    for n, name in enumerate(("old.jpg", "new.jpg")):
        visitor.run(jpeg(90 + n), name=name)
    with service.services.store.database.writing() as session:
        when = datetime(2025, 3, 1, 23, 29, tzinfo=UTC)
        session.execute(update(Run).where(Run.name == "old.jpg").values(created_at=when))
    days = re.findall(r'<section class="day" data-day="([^"]+)"', visitor.get("/runs").text)
    assert days == [f"{datetime.now(UTC).date()}", "2025-03-01"]


def test_chosen_photos_are_deleted_together_and_come_back_when_that_is_undone(visitor: Visitor) -> None:
    first, second = (visitor.run(jpeg(90 + n), name=f"{n}.jpg") for n in range(2))
    batch = send_batch(visitor, "a.jpg", "b.jpg")
    answer = chosen(visitor, "delete", run=first.rsplit("/", 1)[-1], batch=batch)
    page = visitor.get(answer.location).text
    assert names(page) == ["1.jpg"]
    assert "3\u00a0photos deleted" in page
    assert chips(page)["car"] == "1"
    assert visitor.get(first).status_code == 404
    assert Visitor(visitor.service).get(f"{first}/image").status_code == 404
    assert visitor.get(second).status_code == 200
    stamp = re.search(r'name="removed" value="([^"]+)"', page)
    assert stamp
    assert "3\u00a0photos restored." in visitor.get(chosen(visitor, "restore", removed=stamp[1]).location).text
    page = visitor.get("/runs").text
    assert names(page) == ["2\u00a0photos", "1.jpg", "0.jpg"]
    assert chips(page)["car"] == "4"


def test_what_was_deleted_too_long_ago_cannot_be_restored(visitor: Visitor, service: Service) -> None:
    run = visitor.run()
    chosen(visitor, "delete", run=run.rsplit("/", 1)[-1])
    long_ago = datetime.now(UTC) - RESTORABLE - timedelta(seconds=1)
    with service.services.store.database.writing() as session:
        session.execute(update(Run).values(removed_at=long_ago))
    answer = chosen(visitor, "restore", removed=long_ago.isoformat())
    assert "can no longer be restored" in visitor.get(answer.location).text
    assert visitor.get(run).status_code == 404


def test_nobody_deletes_or_restores_what_is_anothers(visitor: Visitor, service: Service) -> None:
    run = visitor.run()
    other = Visitor(service)
    other.run(jpeg(99))
    chosen(other, "delete", run=run.rsplit("/", 1)[-1])
    assert visitor.get(run).status_code == 200
    removed = chosen(visitor, "delete", run=run.rsplit("/", 1)[-1]).location
    assert "deleted" not in other.get(removed).text
    stamp = parse_qs(urlsplit(removed).query)["removed"][0]
    chosen(other, "restore", removed=stamp)
    assert visitor.get(run).status_code == 404


def test_a_deletion_leads_back_to_the_search_and_without_a_choice_changes_nothing(visitor: Visitor) -> None:
    run = visitor.run()
    answer = chosen(visitor, "delete", **{"class": "car"})
    assert answer.location == "/runs?class=car"
    assert "Choose photos first." in visitor.get(answer.location).text
    assert visitor.get(run).status_code == 200


def test_chosen_photos_are_exported_together(visitor: Visitor) -> None:
    run = visitor.run(name="street.jpg")
    batch = send_batch(visitor, "a.jpg", "b.jpg")
    visitor.run(jpeg(99), name="left.jpg")
    answer = chosen(visitor, "export", run=run.rsplit("/", 1)[-1], batch=batch, format="coco")
    assert {image["file_name"] for image in json_of(answer)["images"]} == {"street.jpg", "a.jpg", "b.jpg"}


def test_an_export_of_what_is_not_ready_says_so(visitor: Visitor) -> None:
    address = visitor.send((jpeg(61), "a.jpg")).location
    answer = chosen(visitor, "export", run=address.rsplit("/", 1)[-1])
    assert (answer.status_code, "None of these photos is ready yet." in answer.text) == (409, True)


def test_the_board_of_old_is_the_gallery(visitor: Visitor) -> None:
    visitor.run(name="street.jpg")
    assert names(visitor.get("/board").text) == ["street.jpg"]


def test_a_made_up_cursor_is_refused(visitor: Visitor) -> None:
    assert visitor.get("/runs?cursor=abc").status_code == 400
