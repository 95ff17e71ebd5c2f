"""Fixtures that every test may use."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest

from app.config.settings import Settings
from app.launch.redis_server import free_port, server_binary

# Test processes that run side by side share the cores: threads that wait for each other would keep them busy. It is set
# before xdist starts its processes, which inherit it.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
# A busy machine is not the code's fault, so properties have no time limit.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent
# The folders of tests, each a marker, in the order in which they run: the fast ones first, after every slow test.
SUITES = ("unit", "integration", "e2e", "docker")
# A folder of third-party photos and drawings that are no part of the repository, each kind in a folder of its own:
# coco/eval (photos of the validation set and their instances.json), exif, faces/examples/faces (of dlib),
# hostile/pillow (Pillow's test images), imagenet, quickdraw (ndjson), quickdraw_bitmaps (npy), seed_photos/street.jpg.
TEST_DATA = os.environ.get("TEST_DATA", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its folder, and run the folders in the order of SUITES.

    Slow tests come before all others: where processes share the tests, none is left alone with one at the end.
    """
    suites = {item: item.path.relative_to(ROOT / "tests").parts[0] for item in items}
    for item, suite in suites.items():
        item.add_marker(suite)
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, SUITES.index(suites[item])))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder that TEST_DATA names; a relative one counts from the project's root."""
    if not TEST_DATA:
        pytest.skip("TEST_DATA names no folder of third-party photos and drawings (tests/conftest.py lists them)")
    folder = ROOT / TEST_DATA
    assert folder.is_dir(), f"TEST_DATA={TEST_DATA} is not a folder"
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose data lives in the test's own folder."""
    return Settings(data_dir=str(tmp_path / "data"), secret_key="a key for the tests")


@contextmanager
def serving_redis(folder: Path) -> Iterator[str]:
    """The address of a real redis-server on loopback."""
    port = free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen([server_binary(), *arguments], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if "eady to accept connections" in line:
                break
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis for the whole session; each test gets it emptied by `clean_redis_url`."""
    with serving_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def clean_redis_url(redis_url: str) -> str:
    """The real Redis, emptied."""
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url
