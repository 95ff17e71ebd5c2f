"""Guesses while a drawing grows, on good lines and bad ones."""

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.e2e.drawing import answer, draw_fish, places

Visit = Callable[..., Page]


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
