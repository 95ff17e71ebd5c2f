"""The page puts tags where the rendered file has them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import photos
from tests.e2e.steps import OVERLAY, done, send
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
    page.route(OVERLAY, lambda route: route.fulfill(json=crowd(route.fetch().json())))
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


def test_a_tap_on_the_middle_of_an_object_pins_it_also_under_the_tag_of_another(
    site: str, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.route(OVERLAY, lambda route: route.fulfill(json=grid(route.fetch().json())))
    send(page, site, photos.photo(tmp_path))
    done(page)
    frame = page.locator("#stage svg").bounding_box()
    assert frame
    tags = [tag.bounding_box() for tag in page.locator("#stage .tag").all()]
    under_a_tag = 0
    for n, (x1, y1, x2, y2) in enumerate(BOXES):
        x, y = frame["x"] + (x1 + x2) / 2 * frame["width"] / 640, frame["y"] + (y1 + y2) / 2 * frame["height"] / 420
        under_a_tag += any(
            tag and 0 <= x - tag["x"] <= tag["width"] and 0 <= y - tag["y"] <= tag["height"] for tag in tags
        )
        page.touchscreen.tap(x, y)
        expect(page.locator(".inst[aria-pressed=true]")).to_have_attribute("data-id", f"object-{n}")
    assert under_a_tag > 3


def test_a_tap_on_a_tag_beside_the_middle_of_others_pins_its_own_object(
    site: str, visit: Callable[..., Page], tmp_path: Path
) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.locator("#stage .tag", has_text="dog").click()
    expect(page.locator(".inst[aria-pressed=true]")).to_have_attribute("aria-label", "dog, lower middle, 77\u00a0%")


BOXES = [
    (40 + 95 * column, 60 + 85 * row, 110 + 95 * column, 110 + 85 * row) for row in range(4) for column in range(6)
]


def grid(overlay: dict[str, Any]) -> dict[str, Any]:
    """An overlay with objects side by side, too close for their tags."""
    one = overlay["instances"][0]
    found = [{**one, "id": n, "box": list(box), "polygons": []} for n, box in enumerate(BOXES)]
    return {**overlay, "instances": found}
