"""What tests do again and again in a browser."""

import re
from pathlib import Path

from playwright.sync_api import Page, Route

from app.queue import constants
from app.queue.services import Services
from tests.e2e.photos import labelled_zip
from tests.e2e.stack import ADMIN_KEY

OVERLAY = re.compile(r"/overlay\?")  # The address that a run's page fetches.
STILL = "html:not(:active-view-transition)"  # What moves catches every click.
# The tags are placed again once their font has come, and once the stage knows its size: before the next frame is drawn.
PLACED = """async () => {
  await document.fonts.ready;
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
VISIBLE = "#stage svg .inst:not([display])"


def send(page: Page, site: str, *files: Path, analyses: tuple[str, ...] = ()) -> None:
    """Send photos from the start page; on return the browser is at the run or the batch."""
    page.goto(site)
    for name in analyses:
        page.locator(f"input[value={name}]").check(force=True)
    page.set_input_files("#photo", [str(file) for file in files])
    page.wait_for_url(lambda address: "/runs/" in address or "/batches/" in address)


def sign_in(page: Page, site: str) -> None:
    """Sign in as an administrator; on return the browser is at the data sets."""
    page.goto(f"{site}/datasets")
    page.get_by_label("ADMIN_KEY").fill(ADMIN_KEY)
    page.get_by_role("button", name="Go on").click()
    page.wait_for_url("**/datasets")


def let_train(services: Services) -> None:
    """As if a worker of the trainings were alive, for as long as the tests take."""
    services.jobs.trainer_beat()
    services.jobs.redis.persist(constants.TRAINER)


def data_set(page: Page, site: str, folder: Path) -> str:
    """Sign in as an administrator and make a data set of three photos; the address of its page."""
    sign_in(page, site)
    page.get_by_label("Name").fill("Screws")
    page.get_by_role("button", name="Make it").click()
    page.get_by_label("A ZIP").set_input_files(labelled_zip(folder))
    page.get_by_role("button", name="Add", exact=True).click()
    page.wait_for_selector(".tile")
    return page.url


def done(page: Page) -> None:
    """Wait for a run's picture, with all of its tags in their places and nothing that moves over it."""
    page.wait_for_selector(f"{STILL} #run[data-state=done] svg .inst", state="attached")
    page.evaluate(PLACED)


def names(page: Page) -> list[str]:
    """The instances drawn as `car 91 %`, in reading order."""
    spoken = page.eval_on_selector_all(VISIBLE, "all => all.map(e => e.ariaLabel)")
    return [brief(name) for name in spoken]


def brief(spoken: str | None) -> str:
    """`car 91 %` of `car 1 of 2, lower right, 91 %`."""
    class_, _, score = re.fullmatch(r"(.+?)( \d+ of \d+)?, [^,]+, (.+)", str(spoken).replace("\u00a0", " ")).groups()  # type: ignore[union-attr]
    return f"{class_} {score}"


def listed(page: Page) -> list[str]:
    """The names in the list."""
    return page.locator("#list li:not([hidden]) .what").all_inner_texts()


def first(page: Page, held: list[Route]) -> Route:
    """The first of the requests that a test holds, once it has come."""
    while not held:
        page.wait_for_timeout(10)
    return held[0]


def slide(page: Page, percent: int) -> None:
    """Move the threshold."""
    page.locator("#threshold").fill(str(percent))


def downloaded(page: Page, selector: str = "#download") -> tuple[str, bytes]:
    """Press a download link: the file's name and bytes."""
    with page.expect_download() as waiting:
        page.locator(selector).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()
