"""`python -m app.launch.check [all|web|worker|trainings]` exits with 0 if that part is healthy on this machine.

For Docker's HEALTHCHECK. It runs every few seconds, so it imports little.
"""

import argparse
import json
import socket
import sys
from collections.abc import Callable
from typing import Any

import redis

from app.config.settings import Settings, SettingsError
from app.launch.ready import readiness
from app.queue import constants
from app.queue.connection import connect

PARTS = ("all", "web", "worker", "trainings")


def main() -> None:
    """Check the part that the command line names, and exit."""
    parser = argparse.ArgumentParser(prog="python -m app.launch.check", description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=PARTS)
    try:
        sys.exit(0 if healthy(Settings.from_env(), parser.parse_args().part) else 1)
    except SettingsError as error:
        sys.exit(f"Flask Detector: {error}")


def healthy(settings: Settings, part: str) -> bool:
    """Whether a part works: `all` can analyse photos, `web` responds, `worker` has a ready process on this host,
    `trainings` a worker on any."""
    if part in ("worker", "trainings"):
        return _lives(settings, _trainer_lives if part == "trainings" else _worker_lives)
    state = readiness(settings, "/healthz" if part == "web" else "/readyz")
    return state is not None and (part == "web" or bool(state.get("ready")))


def _lives(settings: Settings, asked: Callable[[redis.Redis], bool]) -> bool:
    """What Redis knows; False while it does not answer."""
    try:
        with connect(settings) as client:
            return asked(client)
    except redis.RedisError:
        return False


def _worker_lives(client: redis.Redis) -> bool:
    """Whether a worker process of this host has its models loaded."""
    members: Any = client.smembers(constants.WORKERS)
    names = {member.decode() for member in members}
    keys = [constants.ALIVE + name for name in names if name.startswith(f"{socket.gethostname()}:")]
    heartbeats = client.mget(keys) if keys else []
    return any(json.loads(heartbeat)["ready"] for heartbeat in heartbeats if heartbeat)


def _trainer_lives(client: redis.Redis) -> bool:
    """Whether a worker of the trainings is alive."""
    return bool(client.exists(constants.TRAINER))


if __name__ == "__main__":
    main()
