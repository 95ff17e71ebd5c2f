"""`python -m app.launch.check [all|web|worker]` ends with 0 when that part, serving here, is healthy.

For Docker's HEALTHCHECK: runs every few seconds beside what it checks, so it imports little.
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
    """Check what the command line names; ends the process."""
    parser = argparse.ArgumentParser(prog="python -m app.launch.check", description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=PARTS)
    try:
        sys.exit(0 if healthy(Settings.from_env(), parser.parse_args().part) else 1)
    except SettingsError as error:
        sys.exit(f"Flask Detector: {error}")


def healthy(settings: Settings, part: str) -> bool:
    """Whether a part works: `all` can analyse photos, `web` answers, `worker` has a process of this host at work."""
    if part == "worker":
        return _worker_lives(settings)
    state = readiness(settings, "/healthz" if part == "web" else "/readyz")
    return state is not None and (part == "web" or bool(state.get("ready")))


def _worker_lives(settings: Settings) -> bool:
    """Whether a worker process of this host has its models loaded."""
    try:
        with connect(settings) as client:
            known = {member.decode() for member in client.smembers(constants.WORKERS)}
            ours = [constants.ALIVE + name for name in known if name.startswith(f"{socket.gethostname()}:")]
            signs = client.mget(ours) if ours else []
            return any(json.loads(sign)["ready"] for sign in signs if sign)
    except redis.RedisError:
        return False


if __name__ == "__main__":
    main()
