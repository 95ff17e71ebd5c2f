"""The API's page in a browser."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e import stack
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
    expect(page.locator(".operation")).to_have_count(operations(page, site))
    assert asked == []


@pytest.mark.parametrize("scripts", [True, False])
def test_the_documentation_fits_the_narrowest_screen_with_an_operation_open(
    site: str, visit: Visit, scripts: bool
) -> None:
    page = visit(f"{site}/docs", viewport={"width": 320, "height": 640}, java_script_enabled=scripts)
    page.locator("#putCorrection > summary").click()
    expect(page.locator("#putCorrection").get_by_text("The version that this is based on")).to_be_visible()
    assert page.locator("body").bounding_box()["width"] == 320  # type: ignore[index]
    if scripts:
        assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_an_address_of_the_documentation_opens_its_operation_and_its_types(site: str, visit: Visit) -> None:
    page = visit(f"{site}/docs#getRun")
    operation = page.locator("#getRun")
    expect(operation).to_have_attribute("open", "")
    operation.get_by_role("link", name="Run", exact=True).click()
    expect(page.locator("#type-Run").get_by_role("row", name="deduplicated")).to_be_visible()


def test_a_photo_is_sent_and_its_picture_shown_on_the_page(site: str, visit: Visit) -> None:
    page = visit(f"{site}/docs#createRun", color_scheme="dark")
    create = page.locator("#createRun")
    create.get_by_label("file").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": jpeg(64, 48)})
    create.get_by_label("wait").fill("30")
    create.get_by_role("button", name="Send").click()
    expect(create.locator("output")).to_contain_text("200 OK")
    run = json.loads(create.locator("output code").inner_text())["id"]
    page.locator("#getImage > summary").click()
    image = page.locator("#getImage")
    image.get_by_label("run_id").fill(run)
    image.get_by_label("masks").select_option("false")
    with page.expect_request(lambda request: f"{run}/image" in request.url) as waiting:
        image.get_by_role("button", name="Send").click()
    assert waiting.value.url.endswith("?masks=false")
    expect(image.locator("output img")).to_be_visible()


def test_what_needs_a_key_is_tried_with_the_one_that_was_entered(site: str, visit: Visit) -> None:
    page = visit(f"{site}/docs#createDataSet", allow="status of 403")
    operation = page.locator("#createDataSet")
    operation.get_by_label("JSON").fill('{"name": "Tried out"}')
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator("output")).to_contain_text("403")
    page.get_by_label("Key", exact=True).fill(stack.ADMIN_KEY)
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator("output")).to_contain_text("201")
    made = json.loads(operation.locator("output code").inner_text())
    assert made["name"] == "Tried out"
    page.request.delete(f"{site}/api/v1/datasets/{made['id']}", headers={"Authorization": f"Bearer {stack.ADMIN_KEY}"})


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
