"""Docker and compose as functions, each thing made for the time of a block."""

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.conftest import ROOT

DOCKER = os.environ.get("DOCKER", "docker")
PROJECT = "flask-detector-test"
SMALL, FULL = "flask-detector", "flask-detector:full"
START = 300.0  # seconds that anything may take to start, models and all


def docker(*arguments: str) -> str:
    """A docker command's output. Raises AssertionError with its last words."""
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"docker {' '.join(arguments[:3])}: {(done.stderr or done.stdout).strip()[-400:]}"
    return done.stdout.strip()


@contextlib.contextmanager
def container(*arguments: str) -> Iterator[str]:
    """A container in the background, removed at the end; its log is shown when the block fails."""
    name = docker("run", "-d", *arguments)
    try:
        yield name
    except BaseException:
        print(subprocess.run([DOCKER, "logs", "--tail", "60", name], capture_output=True, text=True).stderr)
        raise
    finally:
        subprocess.run([DOCKER, "rm", "-f", "-v", name], capture_output=True)


@contextlib.contextmanager
def compose(port: int) -> Iterator[Callable[..., str]]:
    """docker-compose as a function, whichever is installed; all of the project is removed at the end."""
    new = subprocess.run([DOCKER, "compose", "version"], capture_output=True).returncode == 0
    command = [*([DOCKER, "compose"] if new else ["docker-compose"]), "-p", PROJECT]

    def run(*arguments: str) -> str:
        environment = {**os.environ, "PORT": str(port)}
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=ROOT, env=environment)
        assert done.returncode == 0, f"compose {arguments[0]}: {done.stderr.strip()[-400:]}"
        return done.stdout

    try:
        yield run
    except BaseException:
        print(run("logs", "--tail", "40"))
        raise
    finally:
        run("down", "-v", "--timeout", "20")


@contextlib.contextmanager
def made(kind: str) -> Iterator[str]:
    """A `network` or a `volume` for the time of the block."""
    name = docker(kind, "create", f"{PROJECT}-{secrets.token_hex(4)}")
    try:
        yield name
    finally:
        subprocess.run([DOCKER, kind, "rm", name], capture_output=True)


def health(name: str) -> str:
    """Docker's opinion of a container."""
    return docker("inspect", "-f", "{{if .State.Health}}{{.State.Health.Status}}{{end}}", name)


def logs(name: str) -> str:
    """All that a container has said."""
    return subprocess.run([DOCKER, "logs", name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def size_mb(image: str) -> float:
    return int(docker("image", "inspect", "-f", "{{.Size}}", image)) / 1e6


def until(true: Callable[[], Any], seconds: float, otherwise: str) -> Any:
    """Wait for a value that counts as true, and return it. Raises AssertionError when the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = true()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(otherwise)


def assert_runs_without_rights(name: str) -> None:
    """Nothing in the container runs as root, or can change the program."""
    users = {line.split()[0] for line in docker("top", name, "-eo", "uid,pid").splitlines()[1:]}
    assert "0" not in users, "something runs as root"
    assert docker("exec", name, "sh", "-c", "touch /app/x 2>/dev/null || echo no") == "no", "/app can be written to"


def assert_stops_by_itself(name: str) -> None:
    """`docker stop` ends it with status 0, not by force."""
    docker("stop", "--time", "20", name)
    assert docker("inspect", "-f", "{{.State.ExitCode}}", name) == "0"
