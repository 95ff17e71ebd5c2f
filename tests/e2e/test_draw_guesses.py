"""Guesses while a drawing grows, on good lines and bad ones."""

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.e2e.drawing import answer, draw_fish, places

Visit = Callable[..., Page]
GUESS = "**/draw/guess"
# What screen readers are told, one entry each time.
LISTEN = """() => {
  window.said = [];
  const live = document.getElementById("live");
  new MutationObserver(() => window.said.push(live.textContent)).observe(live, { childList: true });
}"""


def stopped(page: Page, site: str) -> Page:
    """The page with a clock that goes on by our hand alone."""
    page.clock.install(time=0)
    page.goto(f"{site}/draw")
    page.clock.pause_at(60)
    return page


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
    sheet.route(GUESS, lambda route: waiting.append(route))
    with sheet.expect_request(GUESS):
        draw_fish(sheet)
    with sheet.expect_event("requestfailed"):  # it is called off
        sheet.click("#clear")
    assert waiting
    expect(answer(sheet)).to_contain_text("Draw something")


def test_a_lost_connection_is_told_and_tried_again(site: str, visit: Visit) -> None:
    page = visit(f"{site}/draw", allow="Failed to load resource")
    page.route(GUESS, lambda route: route.abort())
    draw_fish(page)
    expect(page.locator("#text")).to_have_text("The connection was lost. Trying again.")
    page.unroute(GUESS)
    expect(answer(page)).to_have_attribute("data-answer", "fish")


def test_a_lost_connection_is_said_to_screen_readers_once(site: str, visit: Visit) -> None:
    page = stopped(visit(allow="Failed to load resource"), site)
    page.route(GUESS, lambda route: route.abort())
    page.evaluate(LISTEN)
    with page.expect_event("requestfailed"):
        draw_fish(page)
        page.clock.run_for(100)
    for _ in range(2):
        expect(page.locator("#headline")).to_have_text("No guess")
        page.clock.run_for(600)
        with page.expect_event("requestfailed"):
            page.clock.run_for(2000)
    assert page.evaluate("said") == ["The connection was lost. Trying again."]


def test_after_a_question_called_off_the_next_one_is_asked_at_once(site: str, visit: Visit) -> None:
    page = stopped(visit(), site)
    page.route(GUESS, lambda route: None)
    with page.expect_request(GUESS):
        draw_fish(page)
        page.clock.run_for(100)
    with page.expect_event("requestfailed"):
        page.click("#clear")
    page.unroute(GUESS)
    with page.expect_request(GUESS):
        draw_fish(page)
        page.clock.run_for(100)
    expect(answer(page)).to_have_attribute("data-answer", "fish")


def test_on_a_slow_line_every_answer_is_waited_for(site: str, visit: Visit) -> None:
    page = stopped(visit(), site)
    held: list[Route] = []
    page.route(GUESS, lambda route: held.append(route))
    with page.expect_request(GUESS):
        draw_fish(page, 1)
        page.clock.run_for(100)
    draw_fish(page)
    page.clock.run_for(3000)
    assert len(held) == 1
    with page.expect_request(GUESS):
        held[0].continue_()
        expect(answer(page)).not_to_have_attribute("data-answer", "")
        page.clock.run_for(100)
