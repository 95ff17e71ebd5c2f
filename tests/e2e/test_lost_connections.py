"""A connection that fails for a while: pages try again, say so, and work as without scripts where it does not help."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.e2e import photos
from tests.e2e.steps import OVERLAY, done, names, send

Visit = Callable[..., Page]
FAILED = "Failed to load resource"


def failing(times: int, asked: list[str]) -> Callable[[Route], None]:
    """Answers so many requests with an error, notes each, and lets the others through."""

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > times:
            route.continue_()
        else:
            route.fulfill(status=503, body="")

    return answer


def test_a_finished_page_that_does_not_come_is_asked_for_again(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(allow=FAILED)
    lost: list[str] = []

    def cut(route: Route) -> None:
        """Fails what the script fetches, once; the browser's own request for the page goes through."""
        if route.request.resource_type == "fetch" and not lost:
            lost.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    send(page, site, photos.photo(tmp_path, slow=True))
    page.route(lambda address: "/runs/" in address and address.count("/") == site.count("/") + 2, cut)
    expect(page.locator("#wait-words")).to_have_text("The connection is lost. Trying again")
    done(page)
    assert lost


def test_an_overlay_that_fails_at_first_is_asked_for_again(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(allow=FAILED)
    asked: list[str] = []
    page.route(OVERLAY, failing(1, asked))
    send(page, site, photos.photo(tmp_path))
    done(page)
    assert len(asked) == 2
    assert page.locator(".problem").count() == 0


def test_without_the_overlay_the_server_draws_and_the_form_is_sent(site: str, visit: Visit, tmp_path: Path) -> None:
    page = visit(allow=FAILED)
    page.route(OVERLAY, lambda route: route.fulfill(status=503, body=""))
    send(page, site, photos.photo(tmp_path))
    expect(page.get_by_role("alert")).to_contain_text("Press Show after a change")
    address = page.url.split("?")[0]
    assert page.locator("#photo").get_attribute("src") == f"{address[len(site) :]}/image?max_size=2048&threshold=0.5"
    page.locator(".chip", has_text="car").click()
    page.unroute(OVERLAY)
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**?threshold=0.5&exclude=car")
    done(page)
    assert names(page) == ["person 98 %", "backpack 55 %", "person 86 %", "dog 77 %"]


def test_a_gallery_that_breaks_off_while_it_fills_in_is_asked_for_again(
    site: str, visit: Visit, tmp_path: Path
) -> None:
    page = visit(allow="net::ERR")
    send(page, site, photos.photo(tmp_path, slow=True))
    asked: list[str] = []
    page.route("**/runs", lambda route: cut_first(route, asked))
    page.goto(f"{site}/runs")
    expect(page.locator(".tile[data-waiting]")).to_have_count(1)
    expect(page.locator(".tile[data-state=done]")).to_have_count(1)
    assert len(asked) >= 2


def cut_first(route: Route, asked: list[str]) -> None:
    """Fails the first of what the script fetches; the browser's own request for the page goes through."""
    if route.request.resource_type != "fetch":
        route.continue_()
        return
    asked.append(route.request.url)
    if len(asked) == 1:
        route.abort()
    else:
        route.continue_()
