"""Fixtures that every test may use."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from app.launch.redis_server import server_binary
from app.settings import Settings

os.environ.setdefault("OMP_NUM_THREADS", "2")
# A busy machine is no fault of the code: properties are judged by what holds, not by how long they take.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of third-party photos and drawings, which is not part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the test data folder {SHARED_DATA} is not here")
    return SHARED_DATA


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose data lives in the test's own folder."""
    return Settings(data_dir=str(tmp_path / "data"), secret_key="a key for tests")


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real redis-server on loopback, for the whole session; each test gets it emptied by `clean_redis_url`."""
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen([server_binary(), *arguments], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if "eady to accept connections" in line:
                break
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@pytest.fixture
def clean_redis_url(redis_url: str) -> str:
    """The real Redis, emptied."""
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url
