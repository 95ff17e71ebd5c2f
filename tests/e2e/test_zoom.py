"""The photo is enlarged and moved on the stage: by fingers, wheel, double click, keys, buttons and the list."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.e2e import photos
from tests.e2e.steps import done, send

Visit = Callable[..., Page]
Box = dict[str, float]

# Random moves on random stages: where the photo lies after each, and what the module says about it.
GEOMETRY = """async cases => {
  const { Viewport, between } = await import("/static/js/viewport.js");
  return cases.map(({ photo, stage, moves }) => {
    const viewport = new Viewport(...photo);
    viewport.resize(...stage);
    return moves.map(({ factor, point, by, box }) => {
      const held = viewport.toPhoto(point);
      const before = viewport.placement;
      viewport.zoomBy(factor, point);
      const kept = viewport.toStage(held);
      viewport.moveBy(...by);
      const half = between(before, viewport.placement, 0.5);
      return {
        ...viewport.placement, scale: viewport.scale, maxZoom: viewport.maxZoom, kept, half, before,
        there: viewport.toStage(viewport.toPhoto(point)), seen: viewport.seen,
        viewBox: viewport.viewBox, shown: { ...viewport.showing(box) }, transform: viewport.transform,
      };
    });
  });
}"""


def cases(n: int) -> list[dict[str, Any]]:
    chance = random.Random(7)
    made = []
    for _ in range(n):
        photo = [chance.randint(1, 6000), chance.randint(1, 6000)]
        stage = [chance.randint(200, 1600), chance.randint(100, 900)]
        moves = []
        for _ in range(6):
            corner = [chance.uniform(0, side * 0.9) for side in photo]
            moves.append(
                {
                    "factor": chance.choice([0.4, 0.9, 1.2, 2.0, 9.0]),
                    "point": [chance.uniform(0, side) for side in stage],
                    "by": [chance.uniform(-900, 900), chance.uniform(-900, 900)],
                    "box": [*corner, *(start + side * 0.1 for start, side in zip(corner, photo, strict=True))],
                }
            )
        made.append({"photo": photo, "stage": stage, "moves": moves})
    return made


def test_wherever_the_photo_goes_points_agree_and_no_gap_opens(site: str, visit: Visit) -> None:
    tried = cases(60)
    answers = visit(site).evaluate(GEOMETRY, tried)
    for case, placed in zip(tried, answers, strict=True):
        for move, there in zip(case["moves"], placed, strict=True):
            assert there["there"] == pytest.approx(move["point"], abs=1e-6)
            assert 1 <= there["zoom"] <= there["maxZoom"] + 1e-9
            for side, start, name in zip((0, 1), (there["x"], there["y"]), "xy", strict=True):
                length, room = case["photo"][side] * there["scale"], case["stage"][side]
                if length <= room:
                    assert start == pytest.approx((room - length) / 2, abs=1e-6), "it stands in the middle"
                else:
                    assert start <= 1e-6, "no gap before it"
                    assert start + length >= room - 1e-6, "nor after it"
                low, high = sorted((there["before"][name], there[name]))
                assert low - 1e-6 <= there["half"][name] <= high + 1e-6, "a flight goes straight there"
                assert 0 <= there["seen"][side] <= there["seen"][side + 2] <= case["photo"][side]
                # What the picture's own transform says, and what the drawing's view box says.
                fit = there["scale"] / there["zoom"]
                corner = (case["stage"][side] - case["photo"][side] * fit) / 2
                assert there["transform"][name] + corner * there["zoom"] == pytest.approx(start, abs=1e-6)
                assert -there["viewBox"][side] * there["scale"] == pytest.approx(start, abs=1e-6)


def run(page: Page, site: str, folder: Path) -> Box:
    """Opens a finished run; the stage on the screen."""
    send(page, site, photos.photo(folder))
    done(page)
    return stage(page)


def stage(page: Page) -> Box:
    box = page.locator("#stage .drawing").bounding_box()
    assert box
    return {name: float(value) for name, value in box.items()}


def person(page: Page) -> Box:
    """Where the surest person is on the screen."""
    box = page.locator(".inst[data-id=object-0] .ring").bounding_box()
    assert box
    return {name: float(value) for name, value in box.items()}


def middle(box: Box) -> tuple[float, float]:
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def rest(page: Page, times: float) -> None:
    """Wait until the photo is enlarged so many times, photo and drawing agree, and neither moves on."""
    page.wait_for_function(
        """times => {
          const [photo, svg] = [document.getElementById("photo"), document.querySelector("#stage svg")];
          const placed = getComputedStyle(photo).transform + svg.getAttribute("viewBox");
          const still = placed === window.placedBefore;
          window.placedBefore = placed;
          const scale = photo.width ? new DOMMatrix(getComputedStyle(photo).transform).a : 0;
          const drawn = svg.clientWidth / svg.viewBox.baseVal.width;
          const [width, height] = ["width", "height"].map((side) => Number(photo.getAttribute(side)));
          const fit = Math.min(svg.clientWidth / width, svg.clientHeight / height);
          return still && Math.abs(scale - times) < 0.02 && Math.abs(drawn / fit - times) < 0.02;
        }""",
        arg=times,
    )


def test_the_wheel_enlarges_around_the_pointer_and_the_tags_keep_their_size(
    site: str, visit: Visit, tmp_path: Path
) -> None:
    page = visit()
    run(page, site, tmp_path)
    before = person(page)
    tag = page.locator(".tag", has_text="person 98").bounding_box()
    x, y = before["x"] + 2, before["y"] + 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_function("() => document.querySelector('#stage').classList.contains('zoomed')")
    after = person(page)
    grown = after["width"] / before["width"]
    assert grown > 1.5
    assert x - after["x"] == pytest.approx((x - before["x"]) * grown, abs=1.5)
    rest(page, grown)
    assert tag
    page.wait_for_function(
        """height => [...document.querySelectorAll(".tag")].every((tag) =>
          Math.abs(tag.getBoundingClientRect().height - height) < 0.5)""",
        arg=tag["height"],
    )
    page.mouse.wheel(0, 4000)
    rest(page, 1)


def test_where_the_wheel_has_nothing_to_shrink_it_scrolls_the_page(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(viewport={"width": 1280, "height": 500})
    box = run(page, site, tmp_path)
    page.mouse.move(*middle(box))
    page.mouse.wheel(0, 300)
    page.wait_for_function("() => scrollY > 0")
    page.mouse.wheel(0, -600)
    page.wait_for_function("() => scrollY === 0")
    rest(page, 1)


def test_keys_and_buttons_enlarge_move_and_fit(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    run(page, site, tmp_path)
    fit = page.get_by_role("button", name="Fit the whole photo")
    expect(fit).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("+")
    rest(page, 1.5)
    expect(fit).to_have_attribute("aria-disabled", "false")
    before = person(page)
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function(
        "x => document.querySelector('.inst[data-id=object-0] .ring').getBoundingClientRect().x < x - 50",
        arg=before["x"],
    )
    page.keyboard.press("-")
    rest(page, 1)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_function("() => document.querySelector('#stage').classList.contains('zoomed')")
    assert page.locator(".inst[aria-pressed=true]").count() == 0
    page.keyboard.press("0")
    rest(page, 1)
    page.keyboard.press("+")
    rest(page, 1.5)
    page.keyboard.press("Escape")
    rest(page, 1)


def test_a_double_click_enlarges_and_the_next_fits(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    run(page, site, tmp_path)
    x, y = middle(person(page))
    page.mouse.dblclick(x, y)
    rest(page, 2.5)
    assert person(page)["x"] < x < person(page)["x"] + person(page)["width"]
    page.mouse.dblclick(x, y)
    rest(page, 1)


def test_an_enlarged_photo_is_dragged_and_dragging_pins_nothing(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    box = run(page, site, tmp_path)
    page.keyboard.press("+")
    rest(page, 1.5)
    before = person(page)
    x, y = middle(box)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y + 30, steps=4)
    page.mouse.up()
    rest(page, 1.5)
    after = person(page)
    assert after["x"] - before["x"] == pytest.approx(-40, abs=1)
    assert after["y"] - before["y"] == pytest.approx(30, abs=1)
    assert page.locator(".inst[aria-pressed=true]").count() == 0
    page.mouse.click(*middle(after))
    expect(page.locator(".inst[aria-pressed=true]")).to_have_count(1)


def test_a_row_of_the_list_flies_to_its_object_and_back(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    box = run(page, site, tmp_path)
    page.locator("#list li", has_text="backpack").click()
    rest(page, 3)
    ring = page.locator(".inst[data-id=object-5] .ring").bounding_box()
    assert ring
    assert ring["x"] >= box["x"]
    assert ring["x"] + ring["width"] <= box["x"] + box["width"]
    assert ring["y"] + ring["height"] <= box["y"] + box["height"]
    page.locator("#list li", has_text="backpack").click()
    rest(page, 1)


def test_with_reduced_motion_the_photo_is_there_at_once(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(reduced_motion="reduce")
    run(page, site, tmp_path)
    page.keyboard.press("+")
    assert "scale(1.5)" in str(page.locator("#photo").get_attribute("style"))


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def pinch(fingers: CDPSession, x: float, y: float, start: int, end: int) -> None:
    for apart in range(start, end, 5 if end > start else -5):
        points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        kind = "touchStart" if apart == start else "touchMove"
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def drag(fingers: CDPSession, places: list[tuple[float, float]]) -> None:
    for step, (x, y) in enumerate(places):
        kind = "touchStart" if step == 0 else "touchMove"
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": 0}]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_two_fingers_enlarge_the_photo_and_one_moves_it(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(**PHONE)
    x, y = middle(run(page, site, tmp_path))
    fingers = page.context.new_cdp_session(page)
    pinch(fingers, x, y, 20, 90)
    rest(page, 85 / 20)
    assert page.evaluate("visualViewport.scale") == 1, "the page keeps its size"
    before = person(page)
    drag(fingers, [(x + 10 * step, y) for step in range(5)])
    assert person(page)["x"] - before["x"] == pytest.approx(40, abs=1)
    assert page.locator(".inst[aria-pressed=true]").count() == 0
    pinch(fingers, x, y, 90, 15)
    rest(page, 1)


def test_one_finger_on_the_whole_photo_scrolls_the_page(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(**PHONE)
    x, y = middle(run(page, site, tmp_path))
    fingers = page.context.new_cdp_session(page)
    drag(fingers, [(x, y - 25 * step) for step in range(6)])
    page.wait_for_function("() => scrollY > 0")


def test_a_large_photo_is_fetched_in_full_only_when_it_is_enlarged(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    large = photos.photo(tmp_path, "large.jpg", width=5000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "plain=1" in request.url else None)
    send(page, site, large)
    done(page)
    assert all("max_size=2048" in url for url in asked)
    for _ in range(3):
        page.keyboard.press("+")
    rest(page, 1.5**3)
    page.wait_for_function("() => document.getElementById('photo').naturalWidth === 4096")
    for _ in range(6):
        page.keyboard.press("+")
    page.wait_for_function("() => document.getElementById('photo').naturalWidth === 5000")
