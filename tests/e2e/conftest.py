"""A browser and a live service, for the whole session."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from redis import Redis

from app.queue.services import Services
from tests.conftest import serving_redis
from tests.e2e import stack

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TIMEOUT_MS = 20_000
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of the service's own: its worker would take the analyses of other tests that follow."""
    with serving_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the service keeps its data."""
    return tmp_path_factory.mktemp("light")


@pytest.fixture(scope="session")
def site(site_folder: Path, redis_url: str) -> Iterator[str]:
    """The service with analyzers that answer at once."""
    with stack.serving(site_folder, redis_url, stack.LIGHT, ADMIN_KEY=stack.ADMIN_KEY) as address:
        yield address


@pytest.fixture(scope="session")
def site_services(site: str, site_folder: Path, redis_url: str) -> Services:
    """The store and the queue of the service."""
    return Services.from_settings(stack.settings(site_folder, redis_url))


@pytest.fixture
def serve(tmp_path: Path, redis_url: str) -> Iterator[Callable[..., str]]:
    """Starts a service of the test's own, as `stack.serving` does; it ends after the test."""
    own = redis_url.replace("/0", "/1")
    Redis.from_url(own).flushdb()
    with contextlib.ExitStack() as services:

        def start(**options: Any) -> str:
            return services.enter_context(stack.serving(tmp_path, own, **options))

        yield start


@pytest.fixture
def visit(browser: Browser, serve: Callable[..., str]) -> Iterator[Callable[..., Page]]:
    """Opens a page as a new visitor; at the end no page may have complained, but of what its `allow` names.

    Of `serve` it needs nothing but the order: pages close before the service that they follow ends.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(address: str = "", allow: str = "", **options: object) -> Page:
        def note(words: str) -> None:
            if not allow or allow not in words:
                complaints.append(words)

        context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})  # type: ignore[arg-type]
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: note(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: note(error.message))
        if address:
            page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def sheet(site: str, visit: Callable[..., Page]) -> Page:
    """The page to draw on."""
    return visit(f"{site}/draw")
