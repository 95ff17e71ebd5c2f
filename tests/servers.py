"""Real servers for tests and benchmarks, each a child on loopback that ends with its `with`."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from app.launch.redis_server import free_port


def postgres_binaries() -> Path | None:
    """The folder of PostgreSQL's server programs: on PATH, or where Debian's packages put them."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """An empty PostgreSQL; its address. It refuses to run as root, so root runs it as the user `postgres`."""
    binaries = postgres_binaries()
    if binaries is None:
        raise FileNotFoundError("PostgreSQL's server is not installed")
    folder = Path(tempfile.mkdtemp(prefix="detector-postgres-"))
    user: dict[str, object] = {}
    if os.getuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data, port = folder / "data", free_port()
    initdb = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]
    try:
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **user)  # type: ignore[call-overload]
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]
        command = [binaries / "postgres", "-D", data, "-p", str(port), "-k", folder, *options]
        with _serving(command, "ready to accept connections", stop=signal.SIGQUIT, cwd=folder, **user):
            yield f"postgres://postgres@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def s3() -> Iterator[str]:
    """Moto's S3, as a real HTTP API without any bucket; its address. It takes every key and secret."""
    port = free_port()
    with _serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], "Running on"):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _serving(
    command: list[object], ready: str, *, stop: signal.Signals = signal.SIGTERM, **options: object
) -> Iterator[None]:
    """Run a server from its line that says it is ready to the end of the block."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, **pipes, **options) as process:  # type: ignore[call-overload]
        try:
            seen: list[str] = []
            while ready not in (seen or [""])[-1]:
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(f"{command[0]} did not start: {''.join(seen)}")
                seen.append(line)
            # What it says later is of no interest, but must not fill the pipe.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield
        finally:
            process.send_signal(stop)
            process.wait(30)
