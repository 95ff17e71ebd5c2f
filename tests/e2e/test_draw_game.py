"""The game on the sheet: "draw me a ..." six times."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.drawing import always, answer, draw_fish, ink

Visit = Callable[..., Page]


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


def test_a_drawing_outlasts_a_game_with_all_that_can_be_undone(sheet: Page) -> None:
    draw_fish(sheet)
    expect(answer(sheet)).to_have_attribute("data-answer", "fish")
    before = ink(sheet)
    sheet.click("#play")
    assert ink(sheet) == 0
    draw_fish(sheet, 1)
    sheet.click("#skip")
    sheet.click("#stop")
    assert ink(sheet) == before
    expect(answer(sheet)).to_have_attribute("data-answer", "fish")
    expect(sheet.locator("#live")).to_have_text("The end. You have 0 of 1.")
    sheet.click("#undo")
    assert 0 < ink(sheet) < before
    sheet.click("#redo")
    sheet.click("#play")
    draw_fish(sheet, 1)
    sheet.reload()
    assert ink(sheet) == pytest.approx(before, rel=0.02)


def test_a_game_ended_at_once_says_so_and_leaves_the_focus_on_its_button(sheet: Page) -> None:
    sheet.click("#play")
    sheet.locator("#stop").press("Enter")
    expect(sheet.locator("#task")).to_be_hidden()
    expect(sheet.get_by_role("button", name="Play")).to_be_focused()
    expect(sheet.locator("#live")).to_have_text("The game has ended.")
