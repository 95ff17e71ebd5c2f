"""The cache of rendered views: bounded, whole, forgetful when the disk fails; and what a run's view looks like."""

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from PIL import Image

from app.config.settings import Settings
from app.errors import NotReady
from app.queue.services import Services
from app.store.models import Analysis, Photo, Run
from app.store.states import State
from app.store.view_cache import ViewCache
from app.vision.view import View
from app.web.common import costs, rendering, waiting
from app.web.common.exports import export_response
from tests.unit.api_service import jobs_on_fake_redis
from tests.unit.photos import encode, scene
from tests.unit.results import everything

PHOTO = "ab" * 32


def touch(cache: ViewCache, key: str, when: int) -> None:
    os.utime(cache.folder / PHOTO[:2] / PHOTO / key, (when, when))


def files(cache: ViewCache) -> set[str]:
    return {path.name for path in cache.folder.rglob("*") if path.is_file()}


def test_what_was_put_is_got_back(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path, 1000)
    assert cache.get(PHOTO, "a") is None
    cache.put(PHOTO, "a", b"picture")
    assert cache.get(PHOTO, "a") == b"picture"
    assert ViewCache(tmp_path, 1000).get(PHOTO, "a") == b"picture"


def test_the_least_recently_used_go_when_it_is_full(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path, 400)
    for when, key in enumerate("abcd"):
        cache.put(PHOTO, key, bytes(100))
        touch(cache, key, int(time.time()) - 60 + when)
    assert cache.get(PHOTO, "a")
    cache.put(PHOTO, "e", bytes(100))
    assert files(cache) == {"a", "d", "e"}


def test_it_never_outgrows_its_limit(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path, 5000)
    for n in range(100):
        cache.put(f"{n % 7:064x}", f"k{n}", bytes(37 * n % 900))
        assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 5000


def test_what_other_processes_keep_counts_too(tmp_path: Path) -> None:
    one, other = ViewCache(tmp_path, 1000), ViewCache(tmp_path, 1000)
    for n in range(20):
        one.put(PHOTO, f"one{n}", bytes(90))
        other.put(PHOTO, f"other{n}", bytes(90))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 1250


@pytest.mark.parametrize("limit", [0, 5])
def test_what_is_larger_than_the_limit_is_not_kept(tmp_path: Path, limit: int) -> None:
    cache = ViewCache(tmp_path, limit)
    cache.put(PHOTO, "a", b"larger")
    assert cache.get(PHOTO, "a") is None


def test_an_unfinished_file_is_never_seen_and_goes_in_time(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path, 1000)
    cache.put(PHOTO, "a", b"whole")
    part = tmp_path / PHOTO[:2] / PHOTO / "b.1.0.part"
    part.write_bytes(b"ha")
    assert cache.get(PHOTO, "b") is None
    os.utime(part, (1000, 1000))
    ViewCache(tmp_path, 1000).put(PHOTO, "c", b"next")
    assert files(cache) == {"a", "c"}


def test_what_nobody_asked_for_in_a_day_goes_even_from_a_cache_that_is_only_read(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path, 1000)
    for key in "abc":
        cache.put(PHOTO, key, b"picture")
    cache.put("cd" * 32, "a", b"of an expired photo")
    touch(cache, "a", int(time.time()) - 23 * 3600)
    touch(cache, "b", int(time.time()) - 25 * 3600)
    old = tmp_path / "cd" / ("cd" * 32)
    os.utime(old / "a", (1000, 1000))
    assert ViewCache(tmp_path, 1000).get(PHOTO, "c") == b"picture"
    assert files(cache) == {"a", "c"}
    assert not old.exists()


def test_a_disk_that_fails_makes_it_forgetful(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = ViewCache(tmp_path / "file", 1000)
    cache.put(PHOTO, "a", b"picture")
    assert cache.get(PHOTO, "a") is None


def test_a_deleted_photo_leaves_no_view_behind(tmp_path: Path) -> None:
    cache = ViewCache(tmp_path, 1000)
    cache.put(PHOTO, "a", b"mine")
    cache.put("cd" * 32, "a", b"yours")
    cache.forget(PHOTO)
    cache.forget("ef" * 32)
    assert cache.get(PHOTO, "a") is None
    assert cache.get("cd" * 32, "a") == b"yours"


class FakeStore:
    """One photo with results, counting how often it is read."""

    def __init__(self, pixels: np.ndarray, views: ViewCache) -> None:
        self.data = encode(pixels, "PNG")
        self.views = views
        self.read = 0

    def photo_bytes(self, sha256: str) -> bytes:
        self.read += 1
        return self.data

    def results_from(self, run: Run, source: str) -> dict[str, Any]:
        return everything()


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    return FakeStore(scene(320, 240), ViewCache(tmp_path / "cache", 1024**2))


@pytest.fixture
def app(settings: Settings, store: FakeStore) -> Flask:
    app = Flask("tests")
    app.secret_key = settings.secret_key
    jobs = jobs_on_fake_redis(settings)
    app.extensions["services"] = Services(settings, store, jobs)  # type: ignore[arg-type]
    waiting.init_app(app)
    costs.init_app(app)
    return app


def run(state: str = State.DONE) -> Run:
    photo = Photo(sha256=PHOTO, width=320, height=240, format="png")
    return Run(
        id="r",
        name="street.png",
        photo_sha256=PHOTO,
        photo=photo,
        state=state,
        analyses=[Analysis(id=name, analyzer=name, state=state) for name in everything()],
    )


def test_the_same_view_is_drawn_once(app: Flask, store: FakeStore) -> None:
    with app.test_request_context():
        first = rendering.render_view(run(), View(format="png"))
        assert rendering.render_view(run(), View(format="png")) == first
        assert store.read == 1
        other = rendering.render_view(run(), View(0.9, format="png"))
    assert store.read == 2
    assert other[2] != first[2]
    assert first[1] == "image/png"
    with Image.open(io.BytesIO(first[0])) as image:
        assert image.size == (320, 240)
        assert (np.asarray(image) != scene(320, 240)).any()


def test_only_the_analyses_asked_for_are_drawn(app: Flask, store: FakeStore) -> None:
    with app.test_request_context():
        views = [rendering.render_view(run(), View(format="png"), chosen) for chosen in (None, ["objects"], ["faces"])]
        with pytest.raises(NotReady):
            rendering.render_view(run(), View(format="png"), ["drawing"])
    assert len({data for data, _, _ in views}) == len({etag for _, _, etag in views}) == 3


def test_twenty_requests_for_one_view_draw_it_once(app: Flask, store: FakeStore) -> None:
    def ask(_: int) -> bytes:
        with app.test_request_context():
            return rendering.render_view(run(), View())[0]

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(ask, range(20)))) == 1
    assert store.read == 1


def test_a_run_without_results_can_be_seen_plain_only(app: Flask) -> None:
    with app.test_request_context():
        data = rendering.render_view(run(State.QUEUED), View.plain(format="png"))[0]
        assert (np.asarray(Image.open(io.BytesIO(data))) == scene(320, 240)).all()
        with pytest.raises(NotReady):
            rendering.render_view(run(State.QUEUED), View())


@pytest.mark.parametrize(("format", "type"), [("coco", "application/json"), ("cutouts", "application/zip")])
def test_exports_are_sent_whole_to_be_saved(app: Flask, format: str, type: str) -> None:
    app.add_url_rule("/export", view_func=lambda: export_response([run()], format, View()))
    with app.test_client() as client:
        response = client.get("/export")
    assert response.status_code == 200
    assert response.mimetype == type
    assert response.headers["Content-Disposition"].startswith("attachment; filename=street_")
    assert response.content_length == len(response.data) > 100
