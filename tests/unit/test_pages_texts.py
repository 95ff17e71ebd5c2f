"""The page of a run that has texts: counted, listed in the order of reading, with what its scripts need."""

import re
from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from tests.unit import signs
from tests.unit.api_service import running
from tests.unit.photos import jpeg
from tests.unit.results import everything
from tests.unit.visitor import Visitor


@pytest.fixture
def visitor(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visitor]:
    signs.register(monkeypatch)
    for service in running(settings):
        service.found = everything() | signs.signs()
        service.services.jobs.announce([found.card for found in service.found.values()], {})
        yield Visitor(service)


def page_of(visitor: Visitor, *analyses: str, query: str = "") -> str:
    return visitor.get(visitor.run(analyses=analyses) + query).text


def test_texts_are_listed_and_counted_by_their_own_noun(visitor: Visitor) -> None:
    page = page_of(visitor, "objects", "faces", "signs")
    assert "2\u00a0objects, 1\u00a0face, 1\u00a0sign</b>" in page
    assert '<span class="what">STOP, now</span>' in page
    assert 'data-nouns="[&#34;object&#34;, &#34;face&#34;, &#34;sign&#34;]"' in page
    assert 'id="copy-text"' in page


def test_texts_come_last_whatever_their_score(visitor: Visitor) -> None:
    page = page_of(visitor, "objects", "signs", query="?threshold=0.2")
    places = [page.index(f'<span class="what">{words}</span>') for words in ("dog", "shop sign", "STOP, now")]
    assert places == sorted(places)


def test_a_class_of_texts_has_a_chip_and_can_be_hidden(visitor: Visitor) -> None:
    page = page_of(visitor, "signs", query="?exclude=road%20sign")
    assert 'name="ticked" value="road sign">' in page
    assert "Everything that was found is hidden." in page


def test_a_page_without_texts_offers_nothing_to_copy_them(visitor: Visitor) -> None:
    assert 'id="copy-text"' not in page_of(visitor, "objects", "faces")


def test_the_start_page_offers_what_is_registered(visitor: Visitor) -> None:
    assert 'value="signs"' in visitor.get("/").text


def test_the_api_describes_texts_as_its_schema_says(visitor: Visitor) -> None:
    run = visitor.run(analyses=("signs",)).rsplit("/", 1)[-1]
    body = visitor.get(f"/api/v1/runs/{run}").json
    assert body is not None
    assert [item["text"] for item in body["results"]["signs"]["items"]] == ["STOP, now"]
    schemas = visitor.get("/api/v1/openapi.json").json["components"]["schemas"]  # type: ignore[index]
    assert set(body["results"]["signs"]) == set(schemas["ItemsOut"]["properties"])
    assert set(body["results"]["signs"]["items"][0]) <= set(schemas["ItemOut"]["properties"])


def names(page: str) -> list[str]:
    return re.findall(r'<span class="name" dir="auto">([^<]+)', page)


def test_the_history_is_searched_by_text(visitor: Visitor) -> None:
    visitor.run(name="sign.jpg", analyses=("signs",))
    visitor.run(jpeg(99), name="street.jpg")
    assert names(visitor.get("/runs").text) == ["street.jpg", "sign.jpg"]
    page = visitor.get("/runs?q=stop,%20NOW").text
    assert names(page) == ["sign.jpg"]
    assert 'name="q" value="stop, NOW"' in page
    assert names(visitor.get("/runs?q=stop&class=road%20sign").text) == ["sign.jpg"]
    assert names(visitor.get("/runs?q=%20").text) == ["street.jpg", "sign.jpg"]
    assert names(Visitor(visitor.service).get("/runs?q=stop").text) == []


def test_a_search_that_finds_nothing_repeats_what_was_asked_for(visitor: Visitor) -> None:
    page = visitor.get("/runs?q=%3Cb%3Emilk&class=cat").text
    assert "Nothing here shows a cat and is named or says “&lt;b&gt;milk”." in page


def test_a_search_that_is_too_long_is_refused_in_one_sentence(visitor: Visitor) -> None:
    answer = visitor.get(f"/runs?q={'x' * 201}")
    assert answer.status_code == 400
    assert "A search takes at most 200 characters." in answer.text


def test_the_api_lists_the_runs_in_which_a_text_was_read(visitor: Visitor) -> None:
    run = visitor.run(analyses=("signs",)).rsplit("/", 1)[-1]
    listed = [visitor.get(f"/api/v1/runs?q={asked}").json["runs"] for asked in ("sToP", "halt")]  # type: ignore[index]
    assert [[entry["id"] for entry in runs] for runs in listed] == [[run], []]
    refused = visitor.get(f"/api/v1/runs?q={'x' * 201}")
    assert refused.status_code == 422
    assert refused.json["detail"] == "q: String should have at most 200 characters."  # type: ignore[index]


def test_the_picture_of_texts_is_drawn(visitor: Visitor) -> None:
    address = visitor.run(analyses=("signs",))
    drawn, plain = (visitor.get(f"{address}/image?{query}").data for query in ("format=png", "plain=1&format=png"))
    assert drawn != plain
