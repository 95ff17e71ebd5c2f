"""A photo's way in the browser: sent, waited for, looked at in every view, downloaded, deleted."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e import photos
from tests.e2e.steps import VISIBLE, brief, done, downloaded, first, listed, names, send, slide

ALL = ("faces", "labels")
Visit = Callable[..., Page]


def test_a_photo_is_seen_at_once_and_its_result_after_the_wait(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path, slow=True))
    expect(page.locator("#wait-words")).to_contain_text("Looking at the photo")
    assert page.title().startswith("Looking at the photo")
    box = page.locator("#photo").bounding_box()
    done(page)
    assert page.locator("#photo").bounding_box() == box, "the stage keeps its shape"
    assert page.title() == "street.jpg · Flask Detector"
    assert names(page) == ["person 98 %", "backpack 55 %", "car 62 %", "person 86 %", "car 91 %", "dog 77 %"]
    assert listed(page) == ["person", "car", "person", "dog", "car", "backpack"]


COUNT_TRANSITIONS = """
window.transitions = 0;
const start = document.startViewTransition.bind(document);
document.startViewTransition = (change) => {
  window.transitions += 1;
  return start(change);
};
"""


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_preview_moves_to_the_stage_and_stays_until_the_photo_has_come(
    site: str, visit: Visit, tmp_path: Path, motion: str
) -> None:
    page = visit(reduced_motion=motion)
    page.add_init_script(COUNT_TRANSITIONS)
    held: list[Route] = []
    page.route("**/image?plain=1*", lambda route: held.append(route))
    send(page, site, photos.photo(tmp_path))
    done(page)
    assert page.evaluate("window.transitions") == (1 if motion == "no-preference" else 0)
    shown = page.locator("#photo")
    assert (shown.get_attribute("src") or "").startswith("blob:")
    assert shown.evaluate("photo => photo.naturalWidth") == 640
    expect(page.locator("main")).to_be_focused()
    with page.expect_response("**/image?plain=1*"):
        first(page, held).continue_()
    page.wait_for_function("() => document.getElementById('photo').src.includes('/image?plain=1')")


def test_the_way_back_and_forth_leads_between_form_and_photo(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    slide(page, 60)
    page.wait_for_url("**?threshold=0.6")
    page.go_back()
    expect(page.locator("#drop .ask")).to_be_visible()
    assert page.url == f"{site}/"
    page.go_forward()
    done(page)
    expect(page.locator("#threshold-out")).to_have_text("60\u00a0%")
    expect(page.get_by_role("heading", level=1)).to_have_text("street.jpg")


def test_the_download_is_byte_for_byte_the_image_of_what_is_shown(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    address = page.url.split("?")[0]
    name, before = downloaded(page)
    assert name == "detected_street.jpg"
    assert before == page.request.get(f"{address}/image?threshold=0.5").body()
    slide(page, 30)
    page.locator(".chip", has_text="car").click()
    page.locator(".layers label", has_text="Masks").click()
    _, after = downloaded(page)
    assert after == page.request.get(f"{address}/image?threshold=0.3&exclude=car&masks=0").body()
    assert after != before
    with page.expect_download() as waiting:
        page.locator(".menu summary").click()
        page.get_by_role("link", name="CSV").click()
    rows = Path(waiting.value.path()).read_text()
    assert "traffic light" in rows
    assert "car" not in rows


def test_the_lines_for_the_api_get_what_is_shown(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.get_by_text("Get this by API").click()
    slide(page, 30)
    page.locator(".chip", has_text="car").click()
    page.locator(".layers label", has_text="Masks").click()
    curl, python = page.locator(".by-api code").all_inner_texts()
    wanted = downloaded(page)[1]
    found = subprocess.run(["bash", "-c", curl], cwd=tmp_path, capture_output=True, check=True).stdout
    assert {row["class"] for row in json.loads(found)["results"]["objects"]["instances"]} == set(listed(page))
    assert (tmp_path / "annotated.jpg").read_bytes() == wanted
    (tmp_path / "annotated.jpg").unlink()
    subprocess.run([sys.executable, "-c", python], cwd=tmp_path, check=True)
    assert (tmp_path / "annotated.jpg").read_bytes() == wanted


def test_slider_chips_and_layers_act_at_once_without_a_request(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.wait_for_function("() => document.getElementById('photo').src.includes('/image?')")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/runs/" in request.url else None)
    slide(page, 80)
    assert sorted(names(page)) == ["car 91 %", "person 86 %", "person 98 %"]
    slide(page, 5)
    assert len(names(page)) == 9
    assert page.locator("#sum b").inner_text() == "9\u00a0objects"
    page.locator(".chip", has_text="person").click()
    assert len(names(page)) == 6
    assert "person" not in listed(page)
    expect(page.locator(".chip", has_text="person").locator("b")).to_have_text("3")
    page.get_by_role("button", name="Show all").click()
    assert len(names(page)) == 9
    for layer, selector, on in (("Masks", ".mask", True), ("Boxes", "rect.box", False), ("Labels", ".tag", True)):
        shown = page.locator(f"#stage svg {selector}:not([display])")
        assert bool(shown.count()) == on
        page.locator(".layers label", has_text=layer).click()
        assert bool(shown.count()) != on
    assert requests == []


def test_the_address_keeps_the_view_for_a_reload_and_for_others(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    slide(page, 60)
    page.locator(".chip", has_text="dog").click()
    page.wait_for_url("**?threshold=0.6&exclude=dog")
    other = visit(page.url)
    done(other)
    assert names(other) == names(page)
    assert other.locator("#threshold-out").inner_text() == "60\u00a0%"
    expect(other.get_by_role("checkbox", name="dog")).not_to_be_checked()
    assert other.locator("summary", has_text="Delete").count() == 0


def test_pointing_lights_up_clicking_pins_and_esc_frees(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    box = page.locator("#stage svg").bounding_box()
    assert box
    car = (box["x"] + 0.65 * box["width"], box["y"] + 0.66 * box["height"])
    page.mouse.move(*car)
    assert brief(page.locator(".inst.on").get_attribute("aria-label")) == "car 91 %"
    assert page.locator("#list li.on .what").inner_text() == "car"
    page.mouse.click(*car)
    page.mouse.move(2, 2)
    assert brief(page.locator(".inst[aria-pressed=true]").get_attribute("aria-label")) == "car 91 %"
    assert page.locator(".inst.on").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(".inst.on").count() == 0
    page.locator("#list li", has_text="dog").hover()
    assert brief(page.locator(".inst.on").get_attribute("aria-label")) == "dog 77 %"


def test_the_keyboard_does_everything(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.keyboard.press("[")
    assert page.locator("#threshold-out").inner_text() == "45\u00a0%"
    page.keyboard.press("]")
    page.keyboard.press("]")
    assert page.locator("#threshold-out").inner_text() == "55\u00a0%"
    order = names(page)
    page.locator(VISIBLE).first.focus()
    seen = []
    for _ in order:
        seen.append(brief(page.evaluate("document.activeElement.ariaLabel")))
        page.keyboard.press("ArrowRight")
    assert seen == order, "arrows go through the instances in reading order"
    page.keyboard.press("Home")
    assert brief(page.evaluate("document.activeElement.ariaLabel")) == order[0]
    page.locator(VISIBLE).first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".inst[aria-pressed=true]").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(".inst[aria-pressed=true]").count() == 0
    expect(page.locator("#live")).to_contain_text("55")


def test_faces_and_the_whole_photo_are_shown_when_asked(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path), analyses=ALL)
    done(page)
    assert "face 99 %" in names(page)
    assert page.locator(".shape .point").count() == 5
    assert page.locator("#stage svg .caption").text_content() == "street sign 61\u00a0% · parking meter 17\u00a0%"
    expect(page.locator(".captions li")).to_have_count(5)
    page.locator(".layers label", has_text="Faces").click()
    assert "face 99 %" not in names(page)
    assert "faces=0" in (page.locator("#download").get_attribute("href") or "")


def test_the_whole_photo_alone_has_its_caption_as_the_download_has(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(site)
    page.locator("input[value=labels]").check(force=True)
    page.locator("input[value=objects]").uncheck(force=True)
    page.set_input_files("#photo", str(photos.photo(tmp_path)))
    caption = page.locator("#stage svg .caption")
    expect(caption).to_have_text("street sign 61\u00a0% · parking meter 17\u00a0%")
    expect(page.locator("#view")).to_have_count(0)
    before = caption.bounding_box()
    page.set_viewport_size({"width": 390, "height": 860})
    expect(caption).to_be_in_viewport()
    assert caption.bounding_box() != before
    page.goto(f"{page.url}?labels=0")
    expect(page.locator("#stage svg")).to_be_attached()
    expect(caption).to_have_count(0)


def test_what_the_address_leaves_out_stays_out(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path), analyses=ALL)
    done(page)
    address = page.url.split("?")[0]
    page.goto(f"{address}?classes=dog")
    done(page)
    assert names(page) == ["dog 77 %"]
    page.wait_for_url("**faces=0")
    _, file = downloaded(page)
    assert file == page.request.get(f"{address}/image?classes=dog").body()
    page.locator(".layers label", has_text="Faces").click()
    assert names(page) == ["face 99 %", "dog 77 %"]


def test_an_exact_threshold_stays_until_the_slider_is_moved(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.goto(f"{page.url.split('?')[0]}?threshold=0.765")
    done(page)
    page.wait_for_url("**?threshold=0.765")
    assert names(page) == ["person 98 %", "person 86 %", "car 91 %", "dog 77 %"]
    page.locator(".chip", has_text="car").click()
    page.wait_for_url("**?threshold=0.765&exclude=car")
    slide(page, 77)
    page.wait_for_url("**?threshold=0.77&exclude=car")


def test_nothing_sure_shows_weaker_guesses_to_choose_from(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.blank(tmp_path))
    done(page)
    assert page.locator(".empty").inner_text() == "Nothing above 50\u00a0%. 3\u00a0weaker guesses: Lower to 41\u00a0%"
    assert names(page) == []
    page.locator("#list li:not([hidden])").first.click()
    assert names(page) == ["traffic light 41 %"]
    assert page.locator(".empty").is_hidden()


def test_nothing_sure_offers_the_threshold_of_the_best_guess(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.blank(tmp_path))
    done(page)
    page.get_by_role("link", name="Lower to 41\u00a0%").click()
    assert names(page) == ["traffic light 41 %"]
    expect(page.locator("#threshold")).to_be_focused()
    plain = visit(page.url.split("?")[0], java_script_enabled=False)
    plain.get_by_role("link", name="Lower to 41\u00a0%").click()
    assert plain.locator("#list .what").all_inner_texts() == ["traffic light"]


def test_the_drawing_fades_in_unless_motion_is_unwanted(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    fade = "drawing => [getComputedStyle(drawing).animationName, getComputedStyle(drawing).animationDuration]"
    assert page.locator("#stage .drawing").evaluate(fade) == ["appear", "0.15s"]
    page.emulate_media(reduced_motion="reduce")
    assert page.locator("#stage .drawing").evaluate(fade)[0] == "none"


def test_a_deleted_photo_is_gone(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    address = page.url.split("?")[0]
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete it now").click()
    page.wait_for_url("**/runs")
    expect(page.get_by_role("status").first).to_contain_text("was deleted")
    assert page.request.get(address).status == 404


def test_without_scripts_everything_works_by_forms(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(site, java_script_enabled=False)
    page.set_input_files("#photo", str(photos.photo(tmp_path, slow=True)))
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("button", name="Show").wait_for()
    page.locator("#threshold").fill("30")
    page.locator(".chip", has_text="car").click()
    page.locator(".layers label", has_text="Boxes").click()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**?threshold=0.3&exclude=car&boxes=1")
    source = page.locator("img.photo").last.get_attribute("src") or ""
    assert page.locator("#sum b").inner_text() == "5\u00a0objects"
    _, file = downloaded(page)
    assert file == page.request.get(site + source).body()


def test_the_status_of_a_finished_run_names_its_links(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    status = json.loads(page.request.get(page.url.split("?")[0] + "/status").text())
    assert status["state"] == "done"
    assert page.request.get(site + status["links"]["overlay"]).ok


def test_the_photo_itself_never_takes_the_focus(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(has_touch=True)
    send(page, site, photos.photo(tmp_path))
    done(page)
    page.reload()
    done(page)
    page.locator(".skip.js-only").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('class')") == "inst on"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "threshold", "the stage is one stop"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.getAttribute('class')") == "inst on"
    page.evaluate("document.activeElement.blur()")
    page.locator("#stage svg").tap(position={"x": 5, "y": 5})
    assert not page.evaluate("document.activeElement.closest('#stage')")


def test_sharing_copies_the_address_of_what_is_shown(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    send(page, site, photos.photo(tmp_path))
    done(page)
    slide(page, 30)
    page.wait_for_url("**threshold=0.3")
    page.get_by_role("button", name="Share").click()
    expect(page.locator("#share")).to_have_text("Address copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_on_a_phone_sharing_opens_its_own_dialog(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.add_init_script("navigator.share = async (what) => { window.shared = what; }")
    send(page, site, photos.photo(tmp_path, "mine.jpg"))
    done(page)
    page.wait_for_url("**threshold=0.5")
    page.get_by_role("button", name="Share").tap()
    assert page.evaluate("window.shared") == {"title": "mine.jpg", "url": page.url}


PHONES = {"upright": (390, 844), "small": (320, 568), "on its side": (844, 390)}


@pytest.mark.parametrize("size", PHONES.values(), ids=PHONES)
def test_on_a_phone_the_photo_stays_in_view_and_nothing_is_hidden(
    site: str, visit: Visit, tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    page = visit(viewport={"width": width, "height": height}, has_touch=True, is_mobile=True)
    send(page, site, photos.photo(tmp_path))
    done(page)
    photo = page.locator("#photo").bounding_box()
    assert photo
    if height > width:
        assert photo["height"] <= 0.45 * height
    else:
        assert photo["y"] + photo["height"] <= height, "the whole photo is seen at first sight"
        assert photo["height"] >= 0.7 * height
    page.evaluate("window.scrollTo(0, 260)")
    expect(page.locator("#photo")).to_be_in_viewport(ratio=0.99)
    assert page.locator(".acts").evaluate("acts => getComputedStyle(acts).position") == "static"
    assert page.evaluate("document.documentElement.scrollWidth") == width
