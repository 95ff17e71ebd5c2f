"""axe-core finds nothing serious on any page, in light and dark, wide and narrow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from app.datasets.compared import Compared, dump
from app.queue.services import Services
from app.store.data_sets import truths_of
from app.store.models import DataSetPhoto, Version
from app.store.trainings import PHOTOS
from app.vision.analyses.objects.result import Instances
from tests.e2e import photos
from tests.e2e.steps import STILL, data_set, done, let_train, send

SERIOUS = ("serious", "critical")
axe = Axe()


@pytest.fixture(scope="module")
def pages(
    site: str, site_services: Services, browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], Any]:
    """The address of every kind of page, and the cookies that open them."""
    folder = tmp_path_factory.mktemp("photos")
    context = browser.new_context()
    page = context.new_page()
    found = {"start": site, "missing": f"{site}/nothing", "history": f"{site}/runs", "models": f"{site}/models"}
    send(page, site, photos.photo(folder), analyses=("faces", "labels"))
    done(page)
    found["run"] = page.url.split("?")[0]
    found |= {"correct": f"{found['run']}/correct", "teach": f"{site}/teach"}
    send(page, site, photos.blank(folder))
    done(page)
    found["empty"] = page.url.split("?")[0]
    (folder / "notes.txt").write_text("hello")
    send(page, site, photos.photo(folder, "a.jpg"), folder / "notes.txt")
    found["batch"] = page.url
    page.wait_for_selector(".tile[data-state=done]")
    found |= {"admin": f"{site}/admin", "api": f"{site}/docs#createRun"}
    found["data set"] = data_set(page, site, folder)
    found["data sets"] = f"{site}/datasets"
    found |= {name: f"{site}/{name}" for name in ("trainings", "versions")}
    found["training"] = f"{site}/trainings/{trained(site_services, found['data set'].rsplit('/', 1)[1])}"
    cookies = context.storage_state()
    context.close()
    return found, cookies


def trained(services: Services, data_set: str) -> str:
    """A training in the middle of its way, and a version that another one left; the training's id."""
    let_train(services)
    store = services.store
    id = store.trainings.create(data_set, "starter", 2, "Screws").id
    training = store.trainings.start(id)
    assert training is not None
    curves = {"loss": [[1, 2.5], [2, 2.0], [3, 1.8]], "ap": [[3, 12.5]]}
    store.trainings.beat(training, {"step": 3, "steps": 40, "left": 70.0, **curves})
    scores = {"photos": 4, "box": {"AP": 31.5, "classes": {"wood screw": {"AP": 31.5, "AP50": 60.0}}}}
    about = {"base": "Starter Mask R-CNN", "minutes": 2, "steps": 40, "seed": 0, "photos": 16, "scores": scores}
    card = {**about, "base_scores": scores, "data_set": {"name": "Screws", "hash": "0" * 64}}
    photo = store.data_sets.photos(data_set)[0]
    truth = as_instances(photo)
    shown = Compared(photo.photo_sha256, photo.name, {"base": truth[:0], "trained": truth, "truth": truth}, missed=1)
    store.trainings.keep(id, PHOTOS, dump([shown]))
    listed = {
        "sha256": photo.photo_sha256,
        "name": photo.name,
        "size": truth.size,
        "missed": 1,
        "wrong": 0,
        "confused": 0,
    }
    card |= {"confusion": [["wood screw", "wood screw", 3], ["wood screw", None, 1]], "worst": [listed]}
    with store.database.writing() as session:
        session.add(Version(title="Screws", card=card, bytes=0))
    return id


def as_instances(photo: DataSetPhoto) -> Instances:
    """The truth of a photo as boxes."""
    truths = truths_of(photo)
    classes = tuple(sorted({truth.name for truth in truths}))
    return Instances(
        (photo.photo.height, photo.photo.width),
        classes,
        np.array([truth.box for truth in truths], np.float32),
        np.ones(len(truths), np.float32),
        np.array([classes.index(truth.name) for truth in truths], np.int64),
    )


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_barrier(
    pages: tuple[dict[str, str], Any], browser: Any, scheme: str, width: int
) -> None:
    addresses, cookies = pages
    view = {"viewport": {"width": width, "height": 860}, "color_scheme": scheme, "storage_state": cookies}
    context = browser.new_context(**view, reduced_motion="reduce")
    page: Page = context.new_page()
    found: dict[str, list[str]] = {}
    for name, address in addresses.items():
        page.goto(address)
        if name in ("run", "empty"):
            done(page)
        if name == "correct":
            page.locator(".things .item").first.click()
            expect(page.locator(".things [aria-current]")).to_be_visible()
        if name == "versions":
            for words in ("By class", "What it takes for what", "with the most mistakes"):
                page.get_by_text(words).first.click()
        violations = [v for v in axe.run(page).response["violations"] if v["impact"] in SERIOUS]
        found |= {f"{name}: {v['id']}": [node["html"][:200] for node in v["nodes"]] for v in violations}
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
    context.close()
    assert found == {}


def test_the_waiting_page_has_no_serious_barrier(site: str, visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit()
    page.route("**/runs/*/status", lambda route: None)
    send(page, site, photos.photo(tmp_path, slow=True))
    page.wait_for_selector(f"{STILL} .wait progress")
    violations = [v for v in axe.run(page).response["violations"] if v["impact"] in SERIOUS]
    assert violations == []
    page.unroute_all(behavior="ignoreErrors")


def test_the_threshold_is_announced_once(site: str, visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit()
    send(page, site, photos.photo(tmp_path))
    done(page)
    assert page.locator("#threshold-out").get_attribute("aria-live") == "off"
    page.locator("#threshold").fill("80")
    expect(page.locator("#live")).to_have_text("3\u00a0objects at 80\u00a0% or more")


def test_the_current_page_is_marked_in_forced_colours(site: str, visit: Callable[..., Page]) -> None:
    page = visit(f"{site}/runs", forced_colors="active")
    colours = page.eval_on_selector_all(".nav a", "all => all.map(a => getComputedStyle(a).borderBottomColor)")
    marked = page.locator(".nav a[aria-current]").evaluate("a => getComputedStyle(a).borderBottomColor")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert marked != background
    assert [colour for colour in colours if colour != background] == [marked]
