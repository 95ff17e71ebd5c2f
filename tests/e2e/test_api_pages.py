"""The API's page and the board in a browser."""

import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.unit.photos import jpeg

Visit = Callable[..., Page]
DROP = """([target, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "dropped.jpg", { type: "image/jpeg" }));
  for (const type of ["dragover", "drop"])
    document.querySelector(target).dispatchEvent(
      new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def test_the_documentation_is_drawn_with_nothing_from_other_hosts(site: str, visit: Visit) -> None:
    page = visit()
    asked: list[str] = []

    def only_ours(route: Route) -> None:
        if route.request.url.startswith((site, "data:")):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", only_ours)
    page.goto(f"{site}/docs")
    expect(page.locator(".opblock")).to_have_count(11)
    assert asked == []


def test_the_documentation_fits_the_narrowest_screen_with_an_operation_open(site: str, visit: Visit) -> None:
    page = visit(f"{site}/docs", viewport={"width": 320, "height": 640})
    page.locator(".opblock", has_text="/api/v1/models").locator(".opblock-summary-control").click()
    expect(page.locator(".opblock-body .responses-wrapper")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_an_operation_can_be_tried_out_on_the_page(site: str, visit: Visit) -> None:
    page = visit(f"{site}/docs", color_scheme="dark")
    operation = page.locator(".opblock", has_text="/api/v1/models")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")
    expect(operation.locator(".live-responses-table")).to_contain_text("A light model")


def test_the_documentation_shows_sample_answers_and_padlocks_only_where_a_key_is_needed(
    site: str, visit: Visit
) -> None:
    page = visit(f"{site}/docs")
    operation = page.locator(".opblock", has_text="/api/v1/models")
    operation.locator(".opblock-summary-control").click()
    expect(operation.locator(".example").first).to_contain_text("Starter Mask R-CNN")
    assert page.locator(".authorization__btn").count() == 0
    page.route("**/docs", lambda route: route.fulfill(body=with_keys(route.fetch().text()), content_type="text/html"))
    page.goto(f"{site}/docs")
    expect(page.locator(".authorization__btn")).to_have_count(11)


def with_keys(page: str) -> str:
    """The page as a service shows it that requires keys."""
    return page.replace('<div id="swagger"', '<div id="swagger" data-keys="required"')


def test_the_python_lines_of_the_documentation_can_be_copied_and_run(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{site}/docs")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sample = page.locator(".sample", has_text="Python, with httpx")
    sample.get_by_role("button", name="Copy").click()
    expect(sample.get_by_role("button", name="Copied")).to_be_visible()
    (tmp_path / "photo.jpg").write_bytes(jpeg(320, 240))
    lines = page.evaluate("navigator.clipboard.readText()")
    printed = subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert printed.stdout.startswith("person 0.98")
    assert (tmp_path / "annotated.jpg").stat().st_size > 0


def test_a_photo_dropped_on_the_board_becomes_a_card_that_fills_in_and_can_be_removed(site: str, visit: Visit) -> None:
    page = visit(f"{site}/board")
    page.evaluate(DROP, ["main", base64.b64encode(jpeg(333, 240)).decode()])
    card = page.locator("[data-card]")
    expect(card).to_have_attribute("data-waiting", "")
    expect(card).to_have_attribute("data-state", "done")
    expect(card.locator(".lines li")).to_have_count(4)
    expect(card.locator("h2")).to_have_text("dropped.jpg")
    card.locator("summary").click()
    expect(card.get_by_text("gone for good")).to_be_visible()
    expect(page.locator("[data-card]")).to_have_count(1)
    card.get_by_role("button", name="Delete it now").click()
    expect(page.locator("[data-card]")).to_have_count(0)


def test_photos_dropped_while_others_are_sent_are_sent_after_them(site: str, visit: Visit) -> None:
    page = visit(f"{site}/board")
    held: list[Route] = []
    page.route("**/board", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    with page.expect_request("**/board"):
        page.evaluate(DROP, ["main", base64.b64encode(jpeg(120, 90)).decode()])
    page.evaluate(DROP, ["main", base64.b64encode(jpeg(90, 120)).decode()])
    expect(page.locator(".pick b")).to_have_text("Sending…")
    with page.expect_request(lambda request: request.method == "POST"):
        held[0].continue_()
    assert page.locator("[data-card]").count() == 0
    held[1].continue_()
    expect(page.locator("[data-card]")).to_have_count(2)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (415, '{"error": "This file is not a photo."}', "This file is not a photo."),
        (
            413,
            "<html>Request Entity Too Large</html>",
            "A web server in front of this service takes no upload of this size. "
            "Send less at once, or ask whoever runs it.",
        ),
        (502, "<html>Bad Gateway</html>", "The service does not answer right now. Please try again in a moment."),
        (200, "{}", "The photo could not be sent. Please try again."),
    ],
)
def test_what_is_not_taken_is_told_on_the_board(site: str, visit: Visit, status: int, body: str, sentence: str) -> None:
    page = visit(f"{site}/board", allow=f"status of {status}")
    page.route("**/board", lambda route: route.fulfill(status=status, body=body))
    chosen = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"text"}
    with page.expect_response("**/board"):
        page.set_input_files("input[type=file]", [chosen])  # type: ignore[list-item]
    expect(page.get_by_role("alert")).to_have_text(sentence)


def test_the_board_works_without_scripts(site: str, visit: Visit) -> None:
    page = visit(f"{site}/board", java_script_enabled=False)
    photo = {"name": "plain.jpg", "mimeType": "image/jpeg", "buffer": jpeg(320, 240)}
    expect(page.locator("input[type=file]")).to_have_css("opacity", "1")
    page.set_input_files("input[type=file]", [photo])  # type: ignore[list-item]
    page.get_by_role("button", name="Add to the board").click()
    expect(page.locator("[data-card]")).to_have_count(1)
    again = page.get_by_role("link", name="Reload")
    while again.count():
        again.click()
    expect(page.locator("[data-card][data-state=done]")).to_have_count(1)
