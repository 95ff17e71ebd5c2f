"""Drawing in a real browser: by mouse, finger and keyboard, and without scripts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests import drawings
from tests.e2e.drawing import answer, asked, draw_fish, ink, places, wait_until_asked
from tests.e2e.test_accessibility import SERIOUS

Visit = Callable[..., Page]


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
    wait_until_asked(sheet, questions, [[[372, 436, 500, 500, 484], [500, 500, 500, 436, 436]]])
    sheet.keyboard.press("Delete")
    assert ink(sheet) == 0
    sheet.keyboard.press("Tab")
    expect(pen).to_be_hidden()


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
