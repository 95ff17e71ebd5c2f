"""Compose with two workers, one of which is killed while it analyses a photo."""

from collections.abc import Callable

import pytest

from app.launch.redis_server import free_port
from tests.docker.containers import START, compose, docker, health, until
from tests.docker.visitor import ANSWER, PHOTO, assert_answered, ready, send_photo


@pytest.mark.timeout(900)
def test_all_photos_are_answered_though_a_worker_is_killed_and_outlive_a_restart() -> None:
    port = free_port()
    with compose(port) as run:
        run("up", "-d", "--no-build", "--scale", "worker=2")
        address = f"http://127.0.0.1:{port}"
        until(lambda: ready(address, workers=2), START, "two workers are not ready")
        photo = PHOTO.read_bytes()
        # A comment in the file makes each another photo: the same one would be analysed once.
        runs = [send_photo(address, photo[:2] + b"\xff\xfe\x00\x06%04d" % n + photo[2:]) for n in range(8)]
        victim = until(lambda: busy_worker(run), ANSWER, "no worker was seen at work")
        docker("kill", "--signal", "KILL", victim)
        for page in runs:
            assert_answered(address, page)
        until(lambda: docker("inspect", "-f", "{{.State.Status}}", victim) == "exited", 30, "it still runs")
        others = [name for name in run("ps", "-q").split() if not name.startswith(victim)]
        until(lambda: all(health(name) == "healthy" for name in others), 120, "redis, web and worker are not healthy")
        assert redis(run, "config get appendonly").split() == ["appendonly", "yes"]
        assert "NOAUTH" in run("exec", "-T", "redis", "redis-cli", "get", "anything")
        run("restart", "redis", "web")
        until(lambda: ready(address), START, "not ready after a restart")
        assert_answered(address, runs[0])


def busy_worker(run: Callable[..., str]) -> str:
    """The container that is analysing a photo; empty while none is. Workers are named by their container's host."""
    for key in redis(run, "keys 'detector:alive:*'").split():
        if '"job": "' in redis(run, f"get {key}"):
            return key.split(":")[2]
    return ""


def redis(run: Callable[..., str], command: str) -> str:
    """What a command of Redis answers; its container's file `url` holds the password."""
    return run("exec", "-T", "redis", "sh", "-c", f'redis-cli -u "$(cat /data/url)" {command}')
