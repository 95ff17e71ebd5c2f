"""What tests do again and again in a browser."""

from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.photos import labelled_zip
from tests.e2e.stack import ADMIN_KEY

VISIBLE = "#stage svg .inst:not([display])"


def send(page: Page, site: str, *files: Path, analyses: tuple[str, ...] = ()) -> None:
    """Send photos from the start page; on return the browser is at the run or the batch."""
    page.goto(site)
    for name in analyses:
        page.locator(f"input[value={name}]").check(force=True)
    page.set_input_files("#photo", [str(file) for file in files])
    page.wait_for_url(lambda address: "/runs/" in address or "/batches/" in address)


def data_set(page: Page, site: str, folder: Path) -> str:
    """Sign in as an administrator and make a data set of three photos; the address of its page."""
    page.goto(f"{site}/datasets")
    page.get_by_label("ADMIN_KEY").fill(ADMIN_KEY)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill("Screws")
    page.get_by_role("button", name="Make it").click()
    page.get_by_label("A ZIP").set_input_files(labelled_zip(folder))
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_selector(".tile")
    return page.url


def done(page: Page) -> None:
    """Wait for a run's picture."""
    page.wait_for_selector("#run[data-state=done] svg .inst", state="attached")


def names(page: Page) -> list[str]:
    """The instances drawn, by their spoken names, in reading order."""
    return [
        str(name).replace("\u00a0", " ")
        for name in page.eval_on_selector_all(VISIBLE, "all => all.map(e => e.ariaLabel)")
    ]


def listed(page: Page) -> list[str]:
    """The names in the list."""
    return page.locator("#list li:not([hidden]) .what").all_inner_texts()


def slide(page: Page, percent: int) -> None:
    """Move the threshold."""
    page.locator("#threshold").fill(str(percent))


def downloaded(page: Page, selector: str = "#download") -> tuple[str, bytes]:
    """Press a download link: the file's name and bytes."""
    with page.expect_download() as waiting:
        page.locator(selector).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()
