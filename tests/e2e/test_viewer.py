"""What the picture of a run shows and says: crowds, rivals, colours, the pinned object, what is spoken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, Route, expect

from tests.e2e import photos
from tests.e2e.steps import OVERLAY, done, listed, send, slide

Visit = Callable[..., Page]
Overlay = dict[str, Any]
WIDTH, HEIGHT = 640, 420  # Of the photo.
PINNED = ".inst[aria-pressed=true]"


def opened(visit: Visit, site: str, folder: Path, change: Callable[[Overlay], Overlay], **options: Any) -> Page:
    """A run whose overlay is changed on its way."""
    page = visit(**options)

    def answer(route: Route) -> None:
        route.fulfill(json=change(route.fetch().json()))

    page.route(OVERLAY, answer)
    send(page, site, photos.photo(folder))
    done(page)
    return page


def crowd(overlay: Overlay) -> Overlay:
    """30 persons and 5 dogs side by side, each less certain than the one before."""
    one = overlay["instances"][0]
    found = []
    for n in range(35):
        x, y = 20 + 85 * (n % 7), 20 + 78 * (n // 7)
        box = [x, y, x + 60, y + 60]
        ring = [x, y, x + 60, y, x + 60, y + 60, x, y + 60]
        name = "dog" if n % 7 == 6 else "person"
        score = round(0.98 - 0.02 * n, 2)
        found.append({**one, "id": n, "class": name, "score": score, "box": box, "polygons": [ring]})
    return {**overlay, "instances": found}


def rivals(overlay: Overlay) -> Overlay:
    """The surest instance is found again, as a bear."""
    first, *others = overlay["instances"]
    bear = {**first, "id": len(others) + 1, "class": "bear", "score": 0.8, "rival_of": 0}
    return {**overlay, "instances": [first, *others, bear]}


def shown(page: Page, selector: str) -> list[str]:
    return page.eval_on_selector_all(
        f"#stage {selector}:not([display])", "all => all.map(e => e.textContent.replaceAll('\\u00a0', ' '))"
    )


def test_in_a_crowd_only_what_is_lit_or_pinned_has_a_tag_and_is_seen(site: str, visit: Visit, tmp_path: Path) -> None:
    page = opened(visit, site, tmp_path, crowd)
    slide(page, 30)
    assert page.locator("#sum b").inner_text() == "35\u00a0objects"
    assert shown(page, ".tag") == []
    stage = page.locator("#stage .drawing").bounding_box()
    assert stage
    at = [stage["x"] + 50 / WIDTH * stage["width"], stage["y"] + 50 / HEIGHT * stage["height"]]
    page.mouse.move(*at)
    assert shown(page, ".tag") == ["person 98 %"]
    expect(page.locator("#stage .shape:not(.on)").first).to_have_css("opacity", "0")
    page.mouse.click(*at)
    page.mouse.move(at[0] + 85 / WIDTH * stage["width"], at[1])
    assert sorted(shown(page, ".tag")) == ["person 96 %", "person 98 %"]
    slide(page, 55)
    assert len(shown(page, ".tag")) == 22, "no crowd any more"
    expect(page.locator("#crowd")).to_be_hidden()


def test_a_part_of_a_crowd_has_its_tags_once_it_is_enlarged(site: str, visit: Visit, tmp_path: Path) -> None:
    page = opened(visit, site, tmp_path, crowd)
    slide(page, 30)
    for _ in range(2):
        page.keyboard.press("+")
    page.wait_for_function("() => document.querySelectorAll('#stage .tag').length > 5")


def test_the_list_of_a_crowd_opens_by_class(site: str, visit: Visit, tmp_path: Path) -> None:
    page = opened(visit, site, tmp_path, crowd)
    slide(page, 30)
    heads = page.locator("#list summary")
    assert [" ".join(head.split()) for head in heads.all_inner_texts()] == ["person 30", "dog 5"]
    rows = page.locator("#list .item:visible")
    expect(rows).to_have_count(0)
    heads.nth(1).click()
    expect(rows).to_have_count(5)
    box = rows.first.bounding_box()
    assert box
    assert 24 <= box["height"] <= 31
    rows.nth(1).click()
    expect(page.locator(PINNED)).to_have_attribute("data-id", "object-13")
    page.keyboard.press("0")
    stage = page.locator("#stage .drawing").bounding_box()
    assert stage
    page.wait_for_function("() => !document.getElementById('stage').classList.contains('zoomed')")
    page.mouse.click(stage["x"] + 50 / WIDTH * stage["width"], stage["y"] + 50 / HEIGHT * stage["height"])
    expect(page.locator("#list li.pinned:visible .what")).to_have_text("person")
    slide(page, 70)
    expect(heads).to_have_count(0)
    assert len(listed(page)) == 15


def test_tags_stay_where_they_are_while_the_slider_moves(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    places = "tags => Object.fromEntries(tags.map(tag => [tag.textContent, tag.style.transform]))"
    seen: dict[str, str] = {}
    for percent in (95, 80, 60, 50, 30, 10, 60):
        slide(page, percent)
        now = page.eval_on_selector_all("#stage .tag", places)
        assert {text: seen.get(text, place) for text, place in now.items()} == now
        seen |= now
    assert len(seen) > 6


def test_rival_guesses_are_one_shape_counted_once(site: str, visit: Visit, tmp_path: Path) -> None:
    page = opened(visit, site, tmp_path, rivals)
    assert page.locator("#sum b").inner_text() == "6\u00a0objects"
    assert "person 98 %, or bear 80 %" in shown(page, ".tag")
    assert listed(page)[0] == "person\nor bear 80\u00a0%"
    assert page.locator(".chip:visible", has_text="bear").count() == 0
    slide(page, 90)
    assert shown(page, ".tag") == ["person 98 %", "car 91 %"]
    page.locator(".chip", has_text="person").click()
    slide(page, 50)
    assert "bear 80 %" in shown(page, ".tag")
    assert page.locator(".chip", has_text="bear").inner_text().split() == ["bear", "1"]


def test_a_box_is_drawn_only_where_there_is_no_mask_unless_asked_for(site: str, visit: Visit, tmp_path: Path) -> None:
    def maskless(overlay: Overlay) -> Overlay:
        first, *others = overlay["instances"]
        return {**overlay, "instances": [{**first, "polygons": []}, *others]}

    page = opened(visit, site, tmp_path, maskless)
    assert len(shown(page, ".shape:not([display]) .frame")) == 1
    page.locator(".layers label", has_text="Boxes").click()
    assert len(shown(page, ".shape:not([display]) .frame")) == 6
    page.wait_for_url("**boxes=1")


def test_each_object_can_have_a_colour_of_its_own(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    colours = "all => all.map(shape => shape.style.color)"
    seen = ".shape:not([display])"
    assert len(set(page.eval_on_selector_all(seen, colours))) == 4
    page.locator(".layers label", has_text="By object").click()
    assert len(set(page.eval_on_selector_all(seen, colours))) == 6
    tags = page.eval_on_selector_all(".tag rect", "all => all.map(plate => plate.getAttribute('fill'))")
    dots = page.eval_on_selector_all(
        "#list li:not([hidden]) .dot rect", "all => all.map(dot => dot.getAttribute('fill'))"
    )
    assert set(tags) == set(dots)
    assert len(set(dots)) == 6
    page.wait_for_url("**colours=object")
    assert "colours=object" in (page.locator("#download").get_attribute("href") or "")
    page.reload()
    done(page)
    assert len(set(page.eval_on_selector_all(seen, colours))) == 6


def test_the_address_names_what_is_pinned(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.locator("#list li", has_text="dog").click()
    page.wait_for_url("**#object-3")
    other = visit(page.url)
    done(other)
    expect(other.locator(PINNED)).to_have_attribute("data-id", "object-3")
    expect(other.locator("#list li.pinned")).to_contain_text("dog")
    other.keyboard.press("Escape")
    other.wait_for_url("**?threshold=0.5")
    hidden = visit(page.url.replace("threshold=0.5", "threshold=0.9"))
    done(hidden)
    expect(hidden.locator(PINNED)).to_have_count(0)


SPOKEN = """
- group "What was found":
  - button "person 1 of 2, left, 98 %"
  - button "backpack, left, 55 %"
  - button "car 1 of 2, right, 62 %"
  - button "person 2 of 2, in the middle, 86 %"
  - button "car 2 of 2, in the middle, 91 %"
  - button "dog, lower middle, 77 %" [pressed]
""".replace(" %", "\u00a0%")
BESIDE = """
- complementary "What is shown":
  - text: Confidence at least
  - status: 50 %
  - slider "Confidence at least": "50"
  - group "Classes":
    - checkbox "person 2" [checked]
    - checkbox "car 2" [checked]
    - checkbox "dog 1" [checked]
    - checkbox "backpack 1" [checked]
  - group "Layers":
    - checkbox "Masks" [checked]
    - checkbox "Boxes"
    - checkbox "Labels" [checked]
  - group "Colours":
    - radio "Colour by class" [checked]
    - radio "By object"
  - list "Found":
    - listitem:
      - button "person 98 %"
    - listitem:
      - button "car 91 %"
    - listitem:
      - button "person 86 %"
    - listitem:
      - button "dog · pinned 77 %" [pressed]
    - listitem:
      - button "car 62 %"
    - listitem:
      - button "backpack 55 %"
  - link "Download photo"
  - button "Share"
  - group: Export
""".replace(" %", "\u00a0%")
ZOOM = """
- group "Zoom":
  - button "Zoom out"
  - button "Zoom in"
  - button "Fit the whole photo"
"""


def test_what_assistive_technology_is_told(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.locator("#list li", has_text="dog").click()
    page.keyboard.press("0")
    expect(page.locator("#stage svg")).to_match_aria_snapshot(SPOKEN)
    expect(page.locator("#side")).to_match_aria_snapshot(BESIDE)
    expect(page.locator("#stage")).to_match_aria_snapshot(ZOOM)
    # Chromium's own tree holds parts of an SVG that have no display.
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    spoken = [node["name"]["value"] for node in tree if node.get("role", {}).get("value") == "button"]
    assert "" not in spoken
    assert [name for name in spoken if "person" in name and "," in name] == [
        "person 1 of 2, left, 98\u00a0%",
        "person 2 of 2, in the middle, 86\u00a0%",
    ]


@pytest.mark.parametrize("kind", ["crowd", "rivals"])
def test_crowds_and_rivals_raise_no_barrier(site: str, visit: Visit, tmp_path: Path, kind: str) -> None:
    page = opened(visit, site, tmp_path, {"crowd": crowd, "rivals": rivals}[kind], reduced_motion="reduce")
    slide(page, 30)
    violations = Axe().run(page).response["violations"]
    assert [v["id"] for v in violations if v["impact"] in ("serious", "critical")] == []


def test_a_wide_window_gives_the_photo_its_width(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(viewport={"width": 1920, "height": 1080})
    send(page, site, photos.photo(tmp_path))
    done(page)
    box = page.locator("main").bounding_box()
    assert box
    assert box["width"] == 1760


def test_many_rows_are_low(site: str, visit: Visit, tmp_path: Path) -> None:
    page = opened(visit, site, tmp_path, crowd)
    slide(page, 55)
    heights = page.eval_on_selector_all("#list .item", "all => all.map(row => row.offsetHeight).filter(Boolean)")
    assert len(heights) == 22
    assert set(heights) == {30}
    slide(page, 80)
    assert page.locator("#list .item:visible").first.evaluate("row => row.offsetHeight") > 34
