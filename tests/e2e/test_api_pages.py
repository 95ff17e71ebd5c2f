"""The API's page in a browser."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.unit.photos import jpeg

Visit = Callable[..., Page]


def operations(page: Page, site: str) -> int:
    """How many operations the OpenAPI file has."""
    return sum(len(methods) for methods in page.request.get(f"{site}/api/v1/openapi.json").json()["paths"].values())


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
    expect(page.locator(".opblock")).to_have_count(operations(page, site))
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
    expect(page.locator(".authorization__btn")).to_have_count(operations(page, site))


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
