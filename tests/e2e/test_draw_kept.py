"""Drawings to keep and to pass on: pictures, links, and what outlasts a reload."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from app.intake import decode
from app.sketch import ANIMALS, Recogniser, picture, raster
from tests.conftest import ROOT
from tests.drawings import FISH
from tests.e2e.drawing import answer, asked, draw_fish, ink
from tests.e2e.steps import downloaded

Visit = Callable[..., Page]
# Mean absolute difference, of 255, between the bitmaps of the picture and of the strokes of one drawing.
MAX_DIFFERENCE = 3.0
# Of QuickDraw's own drawings, whose few points the page's curves round off: the median of them.
MAX_DIFFERENCE_OF_SPARSE = 6.0
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
# What a link brings back of a scribble of three strokes and 45,000 points: how many strokes, and points.
SCRIBBLE = """async () => {
  const { decode, encode } = await import("/static/js/draw/link.js");
  const { countPoints } = await import("/static/js/draw/strokes.js");
  const point = (_, n) => [500 + 480 * Math.cos(0.05 * n), 500 + 480 * Math.sin(0.07 * n)];
  const points = Array.from({ length: 15000 }, point);
  const strokes = decode(encode(Array(3).fill({ width: 20, points })));
  return strokes && [strokes.length, countPoints(strokes)];
}"""


def test_the_picture_to_keep_is_seen_as_the_strokes_are(sheet: Page) -> None:
    questions = asked(sheet)
    draw_fish(sheet)
    expect(answer(sheet)).to_have_attribute("data-answer", "fish")
    name, data = downloaded(sheet, "#save")
    assert name == "fish.png"
    from_strokes = raster([np.array(stroke).T for stroke in questions[-1]["strokes"]], 1000).astype(int)
    from_picture = picture(decode(data)).astype(int)
    assert np.abs(from_strokes - from_picture).mean() < MAX_DIFFERENCE
    stored = raster([np.array(stroke, float).T for stroke in FISH]).astype(int)
    assert np.abs(from_strokes - stored).mean() < MAX_DIFFERENCE


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
    assert np.median(differences) < MAX_DIFFERENCE_OF_SPARSE
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


def test_a_scribble_without_end_still_travels_in_its_link(sheet: Page) -> None:
    strokes, points = sheet.evaluate(SCRIBBLE)
    assert strokes == 3
    assert 5000 < points <= 20_000
