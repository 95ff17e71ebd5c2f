"""The page puts tags where the rendered file has them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import photos
from tests.e2e.steps import done, send
from tests.vectors.labels_layout import FILE

PLACE = """async vectors => {
  const { place } = await import("/static/js/labels_layout.js");
  return vectors.map(({ boxes, tags, size, taken }) => place(boxes, tags, size, taken));
}"""


@pytest.fixture
def page(site: str, visit: Callable[..., Page]) -> Page:
    return visit(site)


def test_tags_go_where_the_shared_vectors_say(page: Page) -> None:
    vectors = json.loads(FILE.read_text())
    found = page.evaluate(PLACE, vectors)
    wrong = {
        vector["name"]: (places, vector["places"])
        for vector, places in zip(vectors, found, strict=True)
        if places != vector["places"]
    }
    assert wrong == {}


def test_no_leader_line_is_drawn_over_a_tag(site: str, visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit()
    page.route("**/overlay", lambda route: route.fulfill(json=crowd(route.fetch().json())))
    send(page, site, photos.photo(tmp_path))
    done(page)
    drawn = page.eval_on_selector_all("#stage .leader, #stage .tag", "all => all.map(e => e.classList[0])")
    leaders = drawn.count("leader")
    assert leaders > 3
    assert drawn == ["leader"] * leaders + ["tag"] * (len(drawn) - leaders)
    page.locator("#list button").nth(leaders).hover()
    assert page.locator("#stage .leader.on").count() <= 1
    expect(page.locator("#stage .tag.on")).to_have_count(1)


def crowd(overlay: dict[str, Any]) -> dict[str, Any]:
    """An overlay with many copies of one instance, in one spot."""
    one = overlay["instances"][0]
    return {**overlay, "instances": [{**one, "id": n} for n in range(16)]}
