"""Photos are dropped, pasted, chosen or tried; several make a batch; errors stay on the page."""

import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e import photos
from tests.e2e.steps import done, downloaded, first, send

Visit = Callable[..., Page]
TRANSFER = """async ([bytes, name, type]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type }));
  return data;
}"""

# Keeps what is said while photos are sent, for the page after it.
NOTE_WORDS = """() => {
  const words = document.getElementById("sending-words");
  const note = () => sessionStorage.setItem("words", `${sessionStorage.getItem("words")}|${words.textContent}`);
  new MutationObserver(note).observe(words, { childList: true });
}"""


def transfer(page: Page, file: Path) -> object:
    return page.evaluate_handle(TRANSFER, [list(file.read_bytes()), file.name, "image/jpeg"])


def test_a_dropped_photo_is_previewed_and_sent(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(site)
    page.route("**/", lambda route: route.continue_() if route.request.method == "GET" else None)
    data = transfer(page, photos.photo(tmp_path))
    page.dispatch_event("body", "dragover", {"dataTransfer": data})
    expect(page.locator("#drop")).to_have_class("drop over")
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    expect(page.locator("#preview img")).to_be_visible()
    expect(page.locator("#sending-name")).to_have_text("street.jpg")
    page.unroute_all(behavior="ignoreErrors")


def test_a_pasted_photo_is_sent(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(site)
    data = transfer(page, photos.photo(tmp_path))
    page.evaluate("data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))", data)
    done(page)


def test_a_photo_sent_before_the_page_is_all_there_goes_on(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    slow: list[Route] = []
    page.route("**/check.svg", lambda route: slow.append(route))
    page.route("**/", lambda route: route.continue_() if route.request.method == "GET" else None)
    page.goto(site, wait_until="domcontentloaded")
    data = transfer(page, photos.photo(tmp_path))
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    expect(page.locator("#preview img")).to_be_visible()
    first(page, slow).continue_()
    page.wait_for_load_state("load")
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")  # `pageshow` comes right after `load`.
    expect(page.locator("#preview img")).to_be_visible()
    expect(page.locator("#drop")).to_have_class("drop busy")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.locator("#preview img")).to_have_count(0)
    page.unroute_all(behavior="ignoreErrors")


def test_a_sample_is_one_click(site: str, visit: Visit) -> None:
    page = visit(site)
    page.get_by_role("button", name="A cup of coffee").click()
    done(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("coffee.jpg")


def test_a_sample_shows_what_is_found_in_it_when_it_is_pointed_at_or_focused(site: str, visit: Visit) -> None:
    page = visit(site)
    sheet = page.get_by_role("button", name="A sheet with many things")
    found = sheet.locator(".found")
    expect(found).to_be_hidden()
    with page.expect_response("**/sheet_found.avif"):
        sheet.hover()
    expect(found).to_be_visible()
    page.mouse.move(0, 0)
    expect(found).to_be_hidden()
    page.get_by_role("button", name="Fetch it").focus()
    while not sheet.evaluate("element => element === document.activeElement"):
        page.keyboard.press("Tab")
    expect(found).to_be_visible()


def test_an_address_that_is_refused_is_said_on_the_spot(site: str, visit: Visit) -> None:
    page = visit(site, allow="status of 422")
    page.get_by_label("address of a photo").fill("http://127.0.0.1/a.jpg")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not belong to a public web server")
    expect(page.get_by_label("address of a photo")).to_be_focused()


def test_the_photo_at_an_address_is_waited_for_and_shown(site: str, visit: Visit) -> None:
    page = visit(site)
    held: list[Route] = []
    page.route(f"{site}/", lambda route: held.append(route))
    page.get_by_label("address of a photo").fill("https://example.com/a.jpg")
    page.get_by_role("button", name="Fetch it").click()
    expect(page.locator("#sending-words")).to_have_text("Fetching it")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    assert "https://example.com/a.jpg" in (first(page, held).request.post_data or "")
    held[0].fulfill(json={"location": "/runs"})
    page.wait_for_url("**/runs")


def test_without_scripts_an_address_is_sent_without_a_file(site: str, visit: Visit) -> None:
    page = visit(site, allow="status of 422", java_script_enabled=False)
    page.get_by_label("address of a photo").fill("http://127.0.0.1/a.jpg")
    page.get_by_role("button", name="Fetch it").click()
    expect(page.get_by_text("does not belong to a public web server")).to_be_visible()


def test_a_phone_offers_its_camera(site: str, visit: Visit, tmp_path: Path) -> None:
    expect(visit(site).get_by_text("Take a photo")).to_be_hidden()
    page = visit(site, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    expect(page.get_by_text("Take a photo")).to_be_visible()
    assert page.locator("#camera").get_attribute("capture") == "environment"
    page.set_input_files("#camera", str(photos.photo(tmp_path)))
    done(page)


def test_what_is_no_photo_is_said_on_the_spot(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(site, allow="status of 415")
    (tmp_path / "notes.txt").write_text("hello")
    page.set_input_files("#photo", str(tmp_path / "notes.txt"))
    expect(page.get_by_role("alert")).to_have_text(
        "This file is not a photo we can read. "
        "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, camera raw files and PDF work."
    )
    expect(page.locator("#drop .ask")).to_be_visible()


def test_several_photos_fill_a_grid_and_come_back_as_one_zip(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    (tmp_path / "notes.txt").write_text("hello")
    files = [photos.photo(tmp_path, f"{n}.jpg") for n in range(3)] + [photos.photo(tmp_path, "slow.jpg", slow=True)]
    send(page, site, *files, tmp_path / "notes.txt")
    expect(page.locator(".refused li")).to_contain_text("notes.txt This file is not a photo we can read.")
    expect(page.locator(".tile[data-state=done]")).to_have_count(4)
    expect(page.locator("#progress-words")).to_have_text("4\u00a0photos, all looked at")
    expect(page.locator("#progress")).to_be_hidden()
    name, data = downloaded(page)
    assert name.endswith(".zip")
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert sorted(archive.namelist()) == [f"detected_{n}.jpg" for n in ("0", "1", "2", "slow")]
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete them").click()
    expect(page.get_by_role("status").filter(has_text="4\u00a0photos deleted")).to_be_visible()
    expect(page.locator(".tile")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tile .name")).to_have_text(["4\u00a0photos"])


def test_a_zip_is_a_batch(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.archive(tmp_path, photos.photo(tmp_path, "a.jpg"), photos.photo(tmp_path, "b.jpg")))
    expect(page.locator(".tile[data-state=done]")).to_have_count(2)


def test_the_history_finds_a_photo_by_its_name(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path, "busy.jpg"))
    done(page)
    send(page, site, photos.blank(tmp_path))
    done(page)
    page.goto(f"{site}/runs")
    expect(page.locator(".tile")).to_have_count(2)
    page.get_by_label("Name or text").fill("BUSY")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".tile .name")).to_have_text(["busy.jpg"])


def test_several_photos_are_spoken_of_as_several_while_they_are_checked(
    site: str, visit: Visit, tmp_path: Path
) -> None:
    page = visit(site)
    page.evaluate(NOTE_WORDS)
    page.set_input_files("#photo", [str(photos.photo(tmp_path, f"{n}.jpg")) for n in range(2)])
    page.wait_for_url("**/batches/**")
    assert "Sent. Checking them" in page.evaluate("sessionStorage.getItem('words')")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(413, "takes no upload of this size"), (502, "does not answer right now"), (504, "does not answer right now")],
)
def test_a_proxys_own_refusal_is_explained(site: str, visit: Visit, tmp_path: Path, status: int, sentence: str) -> None:
    page = visit(site, allow="Failed to load resource")
    own_page = f"<html><head><title>{status}</title></head><body><center>nginx</center></body></html>"
    refuse = {"status": status, "content_type": "text/html", "body": own_page}
    page.route("**/", lambda route: route.fulfill(**refuse))
    page.set_input_files("#photo", str(photos.photo(tmp_path)))
    expect(page.locator("#problem")).to_contain_text(sentence)


def test_a_photo_on_its_way_is_announced_and_can_be_called_off_by_keyboard(
    site: str, visit: Visit, tmp_path: Path
) -> None:
    page = visit(site, allow="net::ERR")
    held: list[Route] = []
    page.route("**/", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    page.set_input_files("#photo", str(photos.photo(tmp_path)))
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    expect(page.locator("#sending-spoken")).to_have_text("Sending, 0\u00a0%")
    page.keyboard.press("Enter")
    expect(page.locator("#drop .ask")).to_be_visible()
    expect(page.locator("#photo")).to_be_focused()
    expect(page.locator("#sending-spoken")).to_have_text("Cancelled")
    expect(page.locator("#problem")).to_be_hidden()
    page.unroute_all(behavior="ignoreErrors")
    page.set_input_files("#photo", str(photos.photo(tmp_path)))
    done(page)


def test_a_failed_upload_gives_the_focus_back_to_the_form(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(site, allow="status of 415")
    (tmp_path / "notes.txt").write_text("hello")
    page.set_input_files("#photo", str(tmp_path / "notes.txt"))
    expect(page.get_by_role("alert")).to_contain_text("not a photo")
    expect(page.locator("#photo")).to_be_focused()


def test_with_nothing_to_look_for_nothing_is_sent(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(site)
    page.locator("input[value=objects]").uncheck(force=True)
    page.set_input_files("#photo", str(photos.photo(tmp_path)))
    expect(page.get_by_role("alert")).to_have_text("Choose at least one thing to look for.")
    page.locator("input[value=faces]").check(force=True)
    page.set_input_files("#photo", str(photos.photo(tmp_path)))
    page.wait_for_url("**/runs/*")


@pytest.mark.parametrize("by", ["drop", "paste"])
@pytest.mark.parametrize("where", ["the history", "a run", "the drawing page"])
def test_a_photo_is_taken_on_every_page(site: str, visit: Visit, tmp_path: Path, where: str, by: str) -> None:
    page = visit()
    send(page, site, photos.blank(tmp_path))
    done(page) if where == "a run" else page.goto(site + {"the history": "/runs", "the drawing page": "/draw"}[where])
    before = page.url.split("?")[0]
    data = transfer(page, photos.photo(tmp_path))
    if by == "drop":
        page.dispatch_event("body", "drop", {"dataTransfer": data})
    else:
        page.evaluate("data => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))", data)
    page.wait_for_url(lambda address: "/runs/" in address and address.split("?")[0] != before)
    done(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("street.jpg")


def test_another_photo_is_a_button_on_every_page_but_the_one_with_the_form(
    site: str, visit: Visit, tmp_path: Path
) -> None:
    page = visit(site, viewport={"width": 390, "height": 844})
    another = page.get_by_role("link", name="Another photo")
    expect(another).to_be_hidden()
    send(page, site, photos.blank(tmp_path))
    done(page)
    another.click()
    dialog = page.get_by_role("dialog", name="Send another photo")
    expect(dialog).to_be_visible()
    dialog.locator("#photo").set_input_files(str(photos.photo(tmp_path)))
    expect(page.get_by_role("heading", level=1)).to_have_text("street.jpg")
    done(page)
    plain = visit(f"{site}/models", java_script_enabled=False)
    plain.get_by_role("link", name="Another photo").click()
    expect(plain.locator("#photo")).to_be_visible()


def test_a_file_dropped_elsewhere_that_is_no_photo_is_refused_in_the_dialog(
    site: str, visit: Visit, tmp_path: Path
) -> None:
    page = visit(f"{site}/docs", allow="status of 415")
    (tmp_path / "notes.txt").write_text("hello")
    page.dispatch_event("body", "drop", {"dataTransfer": transfer(page, tmp_path / "notes.txt")})
    dialog = page.get_by_role("dialog", name="Send another photo")
    expect(dialog.get_by_role("alert")).to_contain_text("not a photo")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer(page, photos.photo(tmp_path))})
    done(page)


def test_the_header_follows_the_service(site: str, visit: Visit) -> None:
    page = visit()
    page.clock.install()
    page.goto(site)
    expect(page.locator(".status")).to_have_attribute("data-state", "ready")
    page.route("**/status", lambda route: route.fulfill(json={"state": "away", "line": "Not available right now"}))
    page.clock.fast_forward(20_000)
    expect(page.locator(".status span")).to_have_text("Not available right now")
    expect(page.locator(".status")).to_have_attribute("data-state", "away")


@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 320, "height": 640}, "java_script_enabled": False}])
def test_the_status_leads_to_the_page_of_the_models(site: str, visit: Visit, options: dict[str, Any]) -> None:
    page = visit(site, **options)
    page.get_by_role("link", name="Ready · A light model").click()
    expect(page).to_have_url(f"{site}/models")
    page.get_by_text("It knows").first.click()
    expect(page.locator("#objects .classes")).to_contain_text("person")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
