"""`python -m app.launch.check [all|web|worker]` exits with 0 if that part is healthy on this machine.

For Docker's HEALTHCHECK. It runs every few seconds, so it imports little.
"""

import argparse
import json
import socket
import sys

import redis

from app.config.settings import Settings, SettingsError
from app.launch.ready import readiness
from app.queue import constants
from app.queue.connection import connect

PARTS = ("all", "web", "worker")


def main() -> None:
    """Check the part that the command line names, and exit."""
    parser = argparse.ArgumentParser(prog="python -m app.launch.check", description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=PARTS)
    try:
        sys.exit(0 if healthy(Settings.from_env(), parser.parse_args().part) else 1)
    except SettingsError as error:
        sys.exit(f"Flask Detector: {error}")


def healthy(settings: Settings, part: str) -> bool:
    """Whether a part works: `all` can analyse photos, `web` responds, `worker` has a ready process on this host."""
    if part == "worker":
        return _worker_lives(settings)
    state = readiness(settings, "/healthz" if part == "web" else "/readyz")
    return state is not None and (part == "web" or bool(state.get("ready")))


def _worker_lives(settings: Settings) -> bool:
    """Whether a worker process of this host has its models loaded."""
    try:
        with connect(settings) as client:
            names = {member.decode() for member in client.smembers(constants.WORKERS)}
            keys = [constants.ALIVE + name for name in names if name.startswith(f"{socket.gethostname()}:")]
            heartbeats = client.mget(keys) if keys else []
            return any(json.loads(heartbeat)["ready"] for heartbeat in heartbeats if heartbeat)
    except redis.RedisError:
        return False


if __name__ == "__main__":
    main()
