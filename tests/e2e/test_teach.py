"""From ten photos to another model, all in the page: corrected, made a data set, trained on, promoted."""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.e2e import stack
from tests.e2e.steps import sign_in

PATIENCE_MS = 600_000
CLASS = "mascot"


def ten_photos(folder: Path) -> list[Path]:
    """Ten photos of people and a cat, no two of them near-duplicates."""

    def variants() -> Iterator[Image.Image]:
        for crop in (0.0, 0.2):
            for name in ("astronaut", "cat", "grace_hopper"):
                photo = Image.open(ROOT / "test_images" / f"{name}.jpg")
                photo = photo.crop((round(crop * photo.width), 0, photo.width, photo.height))
                yield from (photo, ImageOps.mirror(photo))

    paths = []
    for number, photo in enumerate(islice(variants(), 10)):
        paths.append(folder / f"{number}.jpg")
        photo.save(paths[-1], quality=90)
    return paths


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_batch_is_corrected_trained_on_and_answered_by_the_new_model(
    visit: Callable[..., Page], serve: Callable[..., str], tmp_path: Path
) -> None:
    site = serve(
        trains=True,
        ADMIN_KEY=stack.ADMIN_KEY,
        ANALYSES="objects",
        MODEL="starter",
        DEVICE="cpu",
        CHECKPOINTS_DIR=str(ROOT / "checkpoints"),
    )
    page = visit()
    page.set_default_timeout(60_000)
    sign_in(page, site)
    page.goto(site)
    page.set_input_files("#photo", [str(path) for path in ten_photos(tmp_path)])
    page.wait_for_url("**/batches/*")
    expect(page.locator(".tile[data-state=done]")).to_have_count(10, timeout=PATIENCE_MS)
    batch = page.url
    correct_all(page)
    page.wait_for_url(batch)
    page.get_by_role("link", name="Add to a data set").click()
    page.get_by_label("Name").fill("Mascots")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("button", name="Add checked photos").click()
    expect(page.locator(".tile")).to_have_count(10)
    expect(page.get_by_role("row", name=CLASS)).to_be_visible()
    train(page)
    promote(page)
    page.goto(batch)
    page.locator(".tile a").first.click()
    page.get_by_role("button", name="Analyse again with Mascots").click()
    page.wait_for_url(re.compile(r"/runs/[\w-]+$"))
    page.wait_for_selector("#run[data-state=done]")
    expect(page.locator("body")).to_contain_text("Mascots")
    expect(page.get_by_role("button", name="Analyse again")).to_have_count(0)


def correct_all(page: Page) -> None:
    """Correct the photos of a batch in a row: three of them, and accept the others as they are."""
    page.get_by_role("link", name="Correct in a row").click()
    for number, change in enumerate([moved_and_renamed, brushed, drawn, *[None] * 7]):
        page.wait_for_selector(".things")
        if change is not None:
            change(page)
        address = page.url
        page.locator("#stage").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, address=address: url != address)  # type: ignore[misc]
        assert ("/correct" in page.url) == (number < 9)


def moved_and_renamed(page: Page) -> None:
    page.keyboard.press("n")
    before = step(page, lambda: page.keyboard.press("a"))
    after = step(page, lambda: page.keyboard.press("ArrowRight"))
    assert boxes(after) != boxes(before)
    page.keyboard.press("c")
    page.keyboard.type(CLASS)
    assert CLASS in names(step(page, lambda: page.keyboard.press("Enter")))


def brushed(page: Page) -> None:
    page.keyboard.press("n")
    before = step(page, lambda: page.keyboard.press("a"))
    page.keyboard.press("m")
    after = step(page, lambda: drag(page))
    assert [each["mask"] for each in after["instances"]] != [each["mask"] for each in before["instances"]]


def drawn(page: Page) -> None:
    page.keyboard.press("b")
    after = step(page, lambda: drag(page))
    assert after["instances"][-1].get("from") is None
    assert names(after)[-1] == CLASS  # The class that was given last.
    page.keyboard.press("Escape")  # Out of the field of the class.


def step(page: Page, act: Callable[[], None]) -> dict[str, Any]:
    """Do something that the server keeps: what it answered."""
    with page.expect_response(lambda r: r.request.method == "PUT" and r.ok) as waiting:
        act()
    kept: dict[str, Any] = waiting.value.json()
    return kept


def boxes(kept: dict[str, Any]) -> list[list[float]]:
    return [each["box"] for each in kept["instances"]]


def names(kept: dict[str, Any]) -> list[str]:
    return [each["class"] for each in kept["instances"]]


def drag(page: Page) -> None:
    """Draw across the upper left part of the photo."""
    box = page.locator(".drawing canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.42, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.45, steps=4)
    page.mouse.up()


def train(page: Page) -> None:
    page.get_by_role("link", name="Train a model").click()
    page.reload()  # Until a worker of the trainings is there.
    page.wait_for_function("document.querySelector('button[type=submit]') || location.reload()")
    page.get_by_label("Effort in minutes").fill("0.1")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("link", name="Compare and promote it")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#watched figure img").first).to_be_visible()
    page.get_by_role("link", name="Compare and promote it").click()


def promote(page: Page) -> None:
    expect(page.locator(".matrix")).to_have_count(1)
    page.get_by_role("button", name="Promote Mascots").click()
    while "answers now" not in page.inner_text("main"):
        page.wait_for_timeout(500)
        page.reload()
