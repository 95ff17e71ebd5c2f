"""The editor: objects are corrected by mouse, by keyboard and by finger, and kept on the server at every step."""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import CDPSession, Page, expect

from app.vision import masks
from app.vision.rows import RLE
from tests.e2e import photos
from tests.e2e.steps import done, send

Visit = Callable[..., Page]
Point = tuple[float, float]
SIZE = (640, 420)  # Of the photo.
# As the light analyzer finds them.
DOG, BACKPACK = [282, 298, 384, 391], [144, 164, 202, 240]
MAX_WEIGHT = 150_000

# What the module of masks makes of some.
MASKS = """async cases => {
  const mask = await import("/static/js/correct/mask.js");
  const { rings } = await import("/static/js/correct/outline.js");
  return cases.map(({ size, counts, points, radius, ring }) => {
    const [height, width] = size;
    const decoded = mask.decode({ size, counts });
    const again = decoded && mask.encode({ ...decoded }, size).counts;
    const code = made => made && mask.encode(made, size).counts;
    return {
      again,
      added: code(mask.painted(decoded, points, radius, 1, [width, height])),
      erased: decoded && code(mask.painted(decoded, points, radius, 0, [width, height])),
      filled: code(mask.reshaped(null, [], [ring], [width, height])),
      outlined: decoded && code(mask.reshaped(null, [], rings(decoded, 0), [width, height])),
    };
  });
}"""


class Bench:
    """The editor in a browser, and its photo's points on the screen."""

    def __init__(self, page: Page):
        self.page = page

    def at(self, x: float, y: float) -> Point:
        box = self.page.locator(".drawing canvas").bounding_box()
        assert box is not None
        scale = min(box["width"] / SIZE[0], box["height"] / SIZE[1])
        left, top = (box[side] - n * scale for side, n in zip(("width", "height"), SIZE, strict=True))
        return box["x"] + left / 2 + x * scale, box["y"] + top / 2 + y * scale

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    def drag(self, start: Point, *stops: Point) -> None:
        self.page.mouse.move(*self.at(*start))
        self.page.mouse.down()
        for stop in stops:
            self.page.mouse.move(*self.at(*stop), steps=4)
        self.page.mouse.up()

    @contextmanager
    def step(self) -> Iterator[dict[str, Any]]:
        """A step that is kept: on return what the server answered."""
        answer: dict[str, Any] = {}
        with self.page.expect_response(lambda r: r.request.method == "PUT" and r.ok) as waiting:
            yield answer
        answer |= waiting.value.json()

    def press(self, *keys: str) -> dict[str, Any]:
        """Press keys, of which the last one is a step."""
        with self.step() as answer:
            for key in keys:
                self.page.keyboard.press(key)
        return answer


@pytest.fixture
def bench(site: str, visit: Visit, tmp_path: Path) -> Bench:
    """The editor of a new photo."""
    return opened(visit(), site, tmp_path)


def opened(page: Page, site: str, folder: Path) -> Bench:
    send(page, site, photos.photo(folder))
    done(page)
    page.locator("#correct").click()
    expect(page.locator(".things").first.locator("li")).to_have_count(6)
    return Bench(page)


def thing(answer: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [each for each in answer["instances"] if each["class"] == name]
    return found


def bitmap(entry: dict[str, Any]) -> np.ndarray:
    return masks.decode(RLE(tuple(entry["mask"]["size"]), entry["mask"]["counts"])).astype(bool)


def test_by_mouse_a_box_is_moved_a_class_changed_a_mask_brushed_and_one_drawn(bench: Bench) -> None:
    page = bench.page
    bench.click(333, 345)
    expect(page.locator(".things [aria-current] .what")).to_have_text("dog")
    with bench.step() as moved:
        bench.drag((333, 345), (353, 355))
    assert thing(moved, "dog")["box"] == pytest.approx([v + d for v, d in zip(DOG, (20, 10) * 2, strict=True)], abs=1)
    with bench.step() as renamed:
        page.locator("#class").fill("Wolf")
        page.keyboard.press("Enter")
    assert thing(renamed, "Wolf")["accepted"]
    page.get_by_role("button", name="Brush").click()
    with bench.step() as brushed:
        bench.drag((350, 330), (350, 270))
    assert bitmap(thing(brushed, "Wolf"))[275, 350]
    assert not bitmap(thing(renamed, "Wolf"))[275, 350]
    assert thing(brushed, "Wolf")["box"][1] < 270
    page.get_by_role("button", name="Eraser").click()
    with bench.step() as erased:
        bench.drag((350, 265), (350, 300))
    assert not bitmap(thing(erased, "Wolf"))[275, 350]
    page.get_by_role("button", name="New box").click()
    with bench.step():
        bench.drag((500, 20), (600, 90))
    with bench.step() as drawn:
        page.keyboard.type("balloon")  # The class has the focus.
        page.keyboard.press("Enter")
    assert thing(drawn, "balloon")["box"] == pytest.approx([500, 20, 600, 90], abs=1)
    assert drawn["history"][-1]["changes"] == {"renamed": 1, "moved": 1, "outlined": 1, "drawn": 1}
    page.get_by_role("button", name="Nothing is missing", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/[\w-]+$"))
    done(page)
    assert {"Wolf", "balloon"} <= set(page.locator("#list li:not([hidden]) .what").all_inner_texts())


def test_everything_goes_by_keyboard_and_leads_to_the_next_photo(bench: Bench) -> None:
    page = bench.page
    first = bench.press("n", "a")
    assert [each["accepted"] for each in first["instances"]] == [True, False, False, False, False, False]
    moved = bench.press("p", "ArrowRight")  # The last one.
    assert thing(moved, "backpack")["box"][0] > BACKPACK[0]
    grown = bench.press("Control+ArrowDown")
    assert thing(grown, "backpack")["box"][3] > BACKPACK[3]
    page.keyboard.press("c")
    page.keyboard.type("satchel")
    renamed = bench.press("Enter")
    assert thing(renamed, "satchel")["from"] == 5
    again = bench.press("p", "1")  # The class that was given last.
    assert [each["class"] for each in again["instances"]][-2:] == ["satchel", "satchel"]
    assert len(bench.press("d")["instances"]) == 5
    expect(page.locator(".things").nth(1).locator("li")).to_have_count(4)
    assert len(bench.press("Control+z")["instances"]) == 6
    assert len(bench.press("Control+y")["instances"]) == 5
    drawn = bench.press("b", "Enter")
    assert drawn["instances"][-1]["box"] == [160, 105, 480, 315]
    pointed = bench.press("o", ".", "ArrowLeft")
    assert bitmap(pointed["instances"][-1]).sum() > 320 * 210
    assert bench.press("Delete")["instances"][-1]["mask"]
    page.keyboard.press("Escape")
    address = page.url.replace("/runs/", "/api/v1/runs/").replace("/correct", "/correction")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/teach$"))
    expect(page.get_by_role("heading", name="All checked")).to_be_visible()
    checked = page.request.get(address).json()
    assert checked["checked"]
    assert all(each["accepted"] for each in checked["instances"])


def test_an_enlarged_photo_is_brushed_where_it_is_pointed_at(bench: Bench) -> None:
    page = bench.page
    bench.click(333, 345)
    x, y = bench.at(333, 345)
    page.mouse.move(x, y)
    for _ in range(3):
        page.mouse.wheel(0, -300)
    expect(page.locator(".stage.zoomed")).to_be_visible()
    page.keyboard.press("e")
    with bench.step() as erased:
        page.mouse.click(x, y)
    gone = ~bitmap(thing(erased, "dog"))[298:391, 282:384]
    rows, columns = np.nonzero(gone[35:60, 38:64])
    assert (rows.mean() + 35 + 298, columns.mean() + 38 + 282) == pytest.approx((345, 333), abs=3)


def test_a_point_of_an_outline_moves_the_mask_there_and_nowhere_else(bench: Bench) -> None:
    bench.click(333, 345)
    before = thing(bench.press("a"), "dog")
    bench.page.keyboard.press("o")
    with bench.step() as after:
        bench.drag((384, 345), (420, 345))  # On the right-hand side of the outline.
    changed = bitmap(thing(after, "dog")) ^ bitmap(before)
    assert bitmap(thing(after, "dog"))[344, 410]
    assert changed[:, :340].sum() == 0


def test_an_older_tab_is_told_and_overwrites_nothing(bench: Bench) -> None:
    other = bench.page.context.new_page()
    other.goto(bench.page.url)
    expect(other.locator(".things").first.locator("li")).to_have_count(6)
    assert len(bench.press("n", "d")["instances"]) == 5
    other.keyboard.press("n")
    other.keyboard.press("a")
    expect(other.locator(".kept")).to_contain_text("corrected meanwhile")
    other.keyboard.press("Enter")
    other.reload()
    expect(other.locator(".things").first.locator("li")).to_have_count(5)


def test_a_step_that_is_not_kept_at_first_is_kept_when_the_connection_is_back(
    site: str, visit: Visit, tmp_path: Path
) -> None:
    page = visit(allow="Failed to load resource")
    bench = opened(page, site, tmp_path)
    page.clock.install()
    page.route("**/correct/state", lambda route: route.abort())
    page.keyboard.press("n")
    page.keyboard.press("d")
    expect(page.locator(".kept")).to_contain_text("Not kept yet")
    page.unroute("**/correct/state")
    with bench.step() as answer:
        page.clock.run_for(5000)
    assert len(answer["instances"]) == 5


def test_a_finger_brushes_and_two_fingers_enlarge(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark")
    bench = opened(page, site, tmp_path)
    finger = page.context.new_cdp_session(page)
    page.touchscreen.tap(*bench.at(333, 345))
    expect(page.locator(".things [aria-current] .what")).to_have_text("dog")
    page.get_by_role("button", name="Brush").tap()
    page.locator("#stage").scroll_into_view_if_needed()
    with bench.step() as brushed:
        touch(finger, [[bench.at(350, 330)], [bench.at(350, 300)], [bench.at(350, 270)]])
    assert bitmap(thing(brushed, "dog"))[275, 350]
    middle, versions = bench.at(320, 210), brushed["version"]
    touch(finger, [[(middle[0] - d, middle[1]), (middle[0] + d, middle[1])] for d in (20, 40, 80)])
    expect(page.locator(".stage.zoomed")).to_be_visible()
    assert bench.press("a")["version"] == versions + 1


def touch(session: CDPSession, path: list[list[Point]]) -> None:
    """Fingers down, along a path, and up."""
    for kind, points in zip(["touchStart", *["touchMove"] * (len(path) - 1)], path, strict=True):
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_masks_of_the_browser_are_those_of_the_server(site: str, visit: Visit) -> None:
    chance = random.Random(3)
    cases: list[dict[str, Any]] = []
    for _ in range(80):
        shape = (chance.randint(3, 30), chance.randint(3, 30))
        mask = np.random.default_rng(chance.randrange(10**6)).random(shape) < chance.choice([0, 0.1, 0.5, 0.9, 1])
        points = [[chance.uniform(0, shape[1]), chance.uniform(0, shape[0])] for _ in range(4)]
        counts = masks.from_bitmap(mask).counts
        cases.append({"size": shape, "counts": counts, "points": points[:1], "radius": 2.5, "ring": points})
    for case, made in zip(cases, visit(site).evaluate(MASKS, cases), strict=True):
        size = case["size"]
        mask = masks.decode(RLE(size, case["counts"])).astype(bool)
        y, x = np.mgrid[: size[0], : size[1]] + 0.5
        disc = (x - case["points"][0][0]) ** 2 + (y - case["points"][0][1]) ** 2 <= case["radius"] ** 2
        assert made["again"] == made["outlined"] == (case["counts"] if mask.any() else None)
        assert made["added"] == code(mask | disc)
        assert made["erased"] == (code(mask & ~disc) if mask.any() else None)
        assert made["filled"] == code(masks.decode(masks.from_polygons([np.array(case["ring"])], size)))


def code(mask: np.ndarray) -> str | None:
    return masks.from_bitmap(mask).counts if mask.any() else None


def test_without_its_state_the_page_works_as_without_scripts(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(allow="Failed to load resource")
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.route("**/correct/state", lambda route: route.abort())
    page.locator("#correct").click()
    page.locator("input[name=keep]").first.uncheck()
    page.get_by_role("button", name="Nothing is missing", exact=True).click()
    done(page)
    expect(page.locator("#list li:not([hidden])")).to_have_count(5)


def test_scripts_and_styles_of_the_editor_stay_light(bench: Bench) -> None:
    weigh = "() => performance.getEntriesByType('resource').map(r => [r.name, r.decodedBodySize])"
    sizes = {name: size for name, size in bench.page.evaluate(weigh) if re.search(r"\.(js|css)\b", name)}
    assert 30_000 < sum(sizes.values()) < MAX_WEIGHT
