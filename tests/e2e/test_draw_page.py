"""Drawing in a real browser: by mouse, finger and keyboard, with guesses, games, links and pictures to keep."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Locator, Page, Request, Route, expect

from app.intake import decode
from app.vision.sketch import ANIMALS, Recogniser, picture, raster
from tests import drawings
from tests.conftest import ROOT
from tests.drawings import FISH
from tests.e2e.steps import downloaded
from tests.e2e.test_accessibility import SERIOUS

Visit = Callable[..., Page]
Place = tuple[float, float]
# Mean absolute difference, of 255, between the bitmaps of the picture and of the strokes of one drawing.
MOST_DIFFERENT = 3.0
# Of QuickDraw's own drawings, whose few points the page's curves round off: the median of them.
MOST_DIFFERENT_OF_SPARSE = 6.0
PICTURES = """async drawings => {
  const { picture } = await import("/static/js/draw/paper.js");
  const stroke = ([xs, ys]) => ({ width: 20, points: xs.map((x, n) => [100 + 3.1 * x, 100 + 3.1 * ys[n]]) });
  return Promise.all(drawings.map(async (strokes) => {
    const bytes = new Uint8Array(await (await picture(strokes.map(stroke))).arrayBuffer());
    return btoa(String.fromCharCode(...bytes));
  }));
}"""
LINK = """async () => {
  const { decode, linkTo } = await import("/static/js/draw/link.js");
  return linkTo(decode(sessionStorage.getItem("drawing")));
}"""
INK = """canvas => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const pixels = context.getImageData(0, 0, copy.width, copy.height).data;
  let inked = 0;
  for (let n = 3; n < pixels.length; n += 4) inked += pixels[n] > 127;
  return inked;
}"""


@pytest.fixture
def sheet(site: str, visit: Visit) -> Page:
    return visit(f"{site}/draw")


def places(page: Page) -> Iterator[list[Place]]:
    """The strokes of the fish, as places on the screen."""
    box = page.locator("#canvas").bounding_box()
    assert box is not None
    for xs, ys in FISH:
        shares = [(0.1 + x * 0.8 / 255, 0.25 + y * 0.8 / 255) for x, y in zip(xs, ys, strict=True)]
        yield [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in shares]


def draw_fish(page: Page, strokes: int = len(FISH)) -> None:
    for line in [*places(page)][:strokes]:
        page.mouse.move(*line[0])
        page.mouse.down()
        for place in line[1:]:
            page.mouse.move(*place, steps=3)
        page.mouse.up()


def answer(page: Page) -> Locator:
    return page.locator("#verdict")


def ink(page: Page) -> int:
    """Pixels of the sheet that are drawn on, once it has been painted."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return int(page.locator("#canvas").evaluate(INK))


def asked(page: Page) -> list[dict[str, Any]]:
    """The questions that the page asks from now on."""
    found: list[dict[str, Any]] = []

    def note(request: Request) -> None:
        if request.url.endswith("/draw/guess"):
            found.append(json.loads(request.post_data or ""))

    page.on("request", note)
    return found


def always(page: Page, name: str) -> None:
    """Have every drawing taken for one animal."""
    shares = {animal: 0.9 if animal == name else 0.02 for animal in ANIMALS}
    body = {"answer": name, "sure": True, "not_sure": 0.01, "probabilities": shares, "seconds": 0.001}
    page.route("**/draw/guess", lambda route: route.fulfill(json=body))


def test_a_fish_drawn_by_mouse_is_a_fish(sheet: Page) -> None:
    expect(answer(sheet)).to_contain_text("Draw something")
    draw_fish(sheet)
    expect(answer(sheet)).to_have_attribute("data-answer", "fish")
    expect(sheet.locator("#headline")).to_have_text("It is a fish")
    expect(sheet.locator("#bars li.best")).to_contain_text("fish")
    expect(sheet.locator("#live")).to_have_text("Looks like a fish")
    shares = sheet.locator("#bars .num").all_inner_texts()
    assert len(shares) == 7
    assert 97 <= sum(int(share.split("\u00a0")[0]) for share in shares) <= 103


def test_a_fish_drawn_by_finger_is_a_fish_and_the_page_stays_where_it_is(site: str, visit: Visit) -> None:
    page = visit(f"{site}/draw", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    finger = page.context.new_cdp_session(page)
    for line in places(page):
        for n, (x, y) in enumerate(line):
            kind = "touchMove" if n else "touchStart"
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(answer(page)).to_have_attribute("data-answer", "fish")
    assert page.evaluate("[scrollX, scrollY]") == [0, 0]


def test_guesses_come_while_the_line_is_still_being_drawn(sheet: Page) -> None:
    line = next(places(sheet))
    sheet.mouse.move(*line[0])
    sheet.mouse.down()
    for place in line[1:]:
        sheet.mouse.move(*place, steps=3)
    expect(answer(sheet)).not_to_have_attribute("data-answer", "")
    expect(sheet.locator("#undo")).to_be_disabled()
    sheet.mouse.up()
    expect(sheet.locator("#undo")).to_be_enabled()


def test_undo_redo_and_clear_by_button_and_by_key(sheet: Page) -> None:
    assert ink(sheet) == 0
    draw_fish(sheet, 1)
    body = ink(sheet)
    draw_fish(sheet, 2)
    both = ink(sheet)
    assert both > body > 0
    for undo in (lambda: sheet.click("#undo"), lambda: sheet.keyboard.press("Control+z")):
        undo()
    assert ink(sheet) == body
    sheet.keyboard.press("Control+Shift+Z")
    sheet.keyboard.press("Control+y")
    assert ink(sheet) == both
    expect(sheet.locator("#redo")).to_be_disabled()
    sheet.click("#clear")
    assert ink(sheet) == 0
    expect(answer(sheet)).to_contain_text("Draw something")
    expect(sheet.locator("#canvas")).to_be_focused()
    sheet.click("#undo")
    assert ink(sheet) == both
    sheet.click("#undo")
    draw_fish(sheet, 1)
    expect(sheet.locator("#redo")).to_be_disabled()


def test_a_thicker_pen_leaves_more_ink_and_the_same_guess(sheet: Page) -> None:
    draw_fish(sheet)
    thin = ink(sheet)
    sheet.click("#clear")
    sheet.get_by_label("Thick").check(force=True)
    draw_fish(sheet)
    assert ink(sheet) > 1.3 * thin
    expect(answer(sheet)).to_have_attribute("data-answer", "fish")


def test_a_drawing_is_made_by_keyboard_with_a_pen_that_can_be_seen(sheet: Page) -> None:
    questions = asked(sheet)
    sheet.locator("#canvas").focus()
    pen = sheet.locator("#pen")
    for key in ("Shift+ArrowLeft", "Shift+ArrowLeft", "Space", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowUp"):
        sheet.keyboard.press(key)
    expect(pen).to_be_visible()
    expect(pen).to_have_class("pen down")
    expect(sheet.locator("#pen-says")).to_have_text("Pen down")
    sheet.keyboard.press("ArrowLeft")
    sheet.keyboard.press("Space")
    expect(pen).to_have_class("pen")
    assert ink(sheet) > 0
    sheet.keyboard.press("ArrowLeft")
    expect(answer(sheet)).not_to_have_attribute("data-answer", "")
    sheet.keyboard.press("w")
    expect(sheet.locator("#pen-says")).to_have_text("Pen up, 47\u00a0% from the left, 44\u00a0% from the top")
    assert questions[-1]["strokes"] == [[[372, 436, 500, 500, 484], [500, 500, 500, 436, 436]]]
    sheet.keyboard.press("Delete")
    assert ink(sheet) == 0
    sheet.keyboard.press("Tab")
    expect(pen).to_be_hidden()


def test_the_picture_to_keep_is_seen_as_the_strokes_are(sheet: Page) -> None:
    questions = asked(sheet)
    draw_fish(sheet)
    expect(answer(sheet)).to_have_attribute("data-answer", "fish")
    name, data = downloaded(sheet, "#save")
    assert name == "fish.png"
    from_strokes = raster([np.array(stroke).T for stroke in questions[-1]["strokes"]], 1000).astype(int)
    from_picture = picture(decode(data)).astype(int)
    assert np.abs(from_strokes - from_picture).mean() < MOST_DIFFERENT
    stored = raster([np.array(stroke, float).T for stroke in FISH]).astype(int)
    assert np.abs(from_strokes - stored).mean() < MOST_DIFFERENT


def test_pictures_of_many_drawings_are_seen_as_their_strokes_are(sheet: Page, shared_data: Path) -> None:
    recogniser = Recogniser.from_folder(ROOT / "checkpoints")
    differences, same = [], []
    for word in ANIMALS:
        lines = (shared_data / "quickdraw" / f"{word}.ndjson").read_text().splitlines()[:8]
        strokes = [[stroke[:2] for stroke in json.loads(line)["drawing"]] for line in lines]
        for drawing, png in zip(strokes, sheet.evaluate(PICTURES, strokes), strict=True):
            one = raster([np.array(stroke, float).T for stroke in drawing])
            other = picture(decode(base64.b64decode(png)))
            differences.append(np.abs(one.astype(int) - other).mean())
            same.append(recogniser.recognise(one).answer == recogniser.recognise(other).answer)
    assert np.median(differences) < MOST_DIFFERENT_OF_SPARSE
    assert np.mean(same) > 0.9


def test_a_shared_link_shows_the_same_drawing_to_whoever_opens_it(site: str, visit: Visit) -> None:
    page = visit(f"{site}/draw", permissions=["clipboard-read", "clipboard-write"])
    draw_fish(page)
    expect(answer(page)).to_have_attribute("data-answer", "fish")
    page.evaluate("navigator.canShare = undefined")
    page.click("#share")
    expect(page.locator("#share")).to_have_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{site}/draw#d=")
    assert len(link) < 1000
    other = visit(link)
    expect(answer(other)).to_have_attribute("data-answer", "fish")
    assert ink(other) == pytest.approx(ink(page), rel=0.02)
    broken = visit(f"{site}/draw#d=AQ____")
    assert ink(broken) == 0


def test_what_is_drawn_onto_a_shared_drawing_outlasts_a_reload(site: str, visit: Visit, sheet: Page) -> None:
    draw_fish(sheet, 1)
    link = sheet.evaluate(LINK)
    page = visit(link)
    shared = ink(page)
    page.reload()
    assert page.url == link
    assert ink(page) == pytest.approx(shared, rel=0.02)
    draw_fish(page)
    assert page.url == f"{site}/draw"
    changed = ink(page)
    assert changed > 1.2 * shared
    page.reload()
    assert ink(page) == pytest.approx(changed, rel=0.02)


def test_a_link_that_cannot_be_copied_stands_in_the_address_and_undo_goes_on(site: str, sheet: Page) -> None:
    draw_fish(sheet, 2)
    before = ink(sheet)
    sheet.evaluate(
        """() => {
          navigator.canShare = undefined;
          navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"));
          document.execCommand = () => false;
        }"""
    )
    sheet.click("#share")
    expect(sheet.locator("#share")).to_have_text("Copy the address")
    sheet.wait_for_url(f"{site}/draw#d=*")
    sheet.click("#undo")
    assert ink(sheet) < before
    assert sheet.url == f"{site}/draw"


def test_a_drawing_outlasts_a_reload_of_its_tab(sheet: Page) -> None:
    draw_fish(sheet)
    before = ink(sheet)
    sheet.reload()
    expect(answer(sheet)).to_have_attribute("data-answer", "fish")
    assert ink(sheet) == pytest.approx(before, rel=0.02)


def test_an_answer_to_a_drawing_that_is_gone_is_not_shown(sheet: Page) -> None:
    waiting: list[Route] = []
    sheet.route("**/draw/guess", lambda route: waiting.append(route))
    with sheet.expect_request("**/draw/guess"):
        draw_fish(sheet)
    with sheet.expect_event("requestfailed"):  # it is called off
        sheet.click("#clear")
    assert waiting
    expect(answer(sheet)).to_contain_text("Draw something")


def test_a_lost_connection_is_told_and_tried_again(site: str, visit: Visit) -> None:
    page = visit(f"{site}/draw", allow="Failed to load resource")
    page.route("**/draw/guess", lambda route: route.abort())
    draw_fish(page)
    expect(page.locator("#text")).to_have_text("The connection was lost. Trying again.")
    page.unroute("**/draw/guess")
    expect(answer(page)).to_have_attribute("data-answer", "fish")


def test_a_game_counts_what_is_named_in_time(site: str, visit: Visit) -> None:
    page = visit()
    page.clock.install(time=0)
    page.goto(f"{site}/draw")
    page.clock.pause_at(60)
    page.click("#play")
    expect(page.locator("#canvas")).to_be_focused()
    played = []
    for n in range(2):
        word = page.locator("#word").inner_text()
        played.append(word)
        expect(page.locator("#score")).to_contain_text(f"{n + 1} of 6")
        always(page, word)
        draw_fish(page, 1)
        page.clock.run_for(200)
        expect(page.locator("#cheer")).to_contain_text(f"{word}!")
        page.clock.run_for(600)
        expect(page.locator("#live")).to_contain_text(f"Score {n + 1} of {n + 1}.")
        page.clock.run_for(900)
        expect(page.locator("#cheer")).to_be_hidden()
    expect(page.locator("#score")).to_have_text("3 of 6 · score 2 · 2 in a row")
    page.clock.run_for(700)
    article = page.locator("#ask").inner_text().removeprefix("Draw me ")
    expect(page.locator("#live")).to_have_text(f"Draw {article} {page.locator('#word').inner_text()}.")
    page.clock.run_for(31_000)
    expect(page.locator("#cheer")).to_have_text("Time is up")
    page.clock.run_for(1500)
    page.click("#skip")
    page.clock.run_for(1500)
    page.click("#stop")
    expect(page.locator("#game-title")).to_have_text("2 of 4")
    expect(page.locator("#gallery .right b")).to_have_text([f"{word} ✓" for word in played])
    expect(page.locator("#gallery .missed")).to_have_count(2)
    expect(page.get_by_role("button", name="Play again")).to_be_focused()


def test_without_scripts_a_picture_is_guessed_on_the_same_page(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{site}/draw", java_script_enabled=False, allow="status of 422")
    expect(page.locator("#canvas")).to_be_hidden()
    (tmp_path / "fish.png").write_bytes(drawings.picture())
    (tmp_path / "blank.png").write_bytes(drawings.blank())
    page.set_input_files("#drawing", str(tmp_path / "fish.png"))
    page.get_by_role("button", name="Guess").click()
    expect(answer(page)).to_have_attribute("data-answer", "fish")
    expect(page.locator("#bars li.best .what")).to_have_text("fish")
    page.set_input_files("#drawing", str(tmp_path / "blank.png"))
    page.get_by_role("button", name="Guess").click()
    expect(page.get_by_role("alert")).to_have_text("Draw something first.")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sheet_the_game_and_the_result_have_no_serious_barrier(
    site: str, visit: Visit, tmp_path: Path, scheme: str, width: int
) -> None:
    view = {"viewport": {"width": width, "height": 860}, "color_scheme": scheme, "reduced_motion": "reduce"}
    page = visit(f"{site}/draw", **view)
    found: dict[str, Any] = {}

    def look(name: str) -> None:
        violations = [v for v in Axe().run(page).response["violations"] if v["impact"] in SERIOUS]
        found.update({f"{name}: {v['id']}": [node["html"][:200] for node in v["nodes"]] for v in violations})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"

    look("blank")
    page.click("#play")
    draw_fish(page)
    expect(answer(page)).not_to_have_attribute("data-answer", "")
    look("game")
    page.click("#skip")
    page.click("#stop")
    page.click(".keys summary")
    look("end")
    (tmp_path / "fish.png").write_bytes(drawings.picture())
    page.set_input_files("#drawing", str(tmp_path / "fish.png"))
    page.get_by_role("button", name="Guess").click()
    expect(page.locator("#seen")).to_be_visible()
    look("picture")
    assert found == {}
