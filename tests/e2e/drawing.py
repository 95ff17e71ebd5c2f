"""A hand that draws on `/draw`, and what is seen there."""

import json
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Locator, Page, Request

from app.sketch import ANIMALS
from tests.drawings import FISH

Place = tuple[float, float]
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


def wait_until_asked(page: Page, questions: list[dict[str, Any]], strokes: list[Any]) -> None:
    """Wait for the question about these strokes; earlier ones were asked while they were drawn."""
    while not questions or questions[-1]["strokes"] != strokes:
        with page.expect_request("**/draw/guess"):
            pass


def always(page: Page, name: str) -> None:
    """Have every drawing taken for one animal."""
    shares = {animal: 0.9 if animal == name else 0.02 for animal in ANIMALS}
    bars = [{"name": animal, "share": share, "percent": f"{100 * share:.0f} %"} for animal, share in shares.items()]
    body = {"answer": name, "headline": f"It is a {name}", "text": "90 % sure.", "bars": bars}
    page.route("**/draw/guess", lambda route: route.fulfill(json=body))
