"""Docker and compose as functions, each thing made for the time of a block, and ways to wait and to insist."""

import contextlib
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCKER = os.environ.get("DOCKER", "docker")
PROJECT = "flask-detector-test"


class Failure(Exception):
    """Something that is not as it should be."""


def saw(what: str) -> None:
    """Say what was seen to work."""
    print(f"  {what}", flush=True)


def docker(*arguments: str, **more: Any) -> str:
    """A docker command's output. Raises Failure with its last words."""
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, cwd=ROOT, **more)
    if done.returncode:
        raise Failure(f"docker {' '.join(arguments[:3])}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout.strip()


@contextlib.contextmanager
def container(*arguments: str) -> Iterator[str]:
    """A container in the background; its log is shown when something fails, and it is removed at the end."""
    name = docker("run", "-d", *arguments)
    try:
        yield name
    except Failure:
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
        if done.returncode:
            raise Failure(f"compose {arguments[0]}: {done.stderr.strip()[-400:]}")
        return done.stdout

    try:
        yield run
    except Failure:
        print(run("logs", "--tail", "40"))
        raise
    finally:
        run("down", "-v", "--timeout", "20")


@contextlib.contextmanager
def volume() -> Iterator[str]:
    """A volume for the time of the block."""
    name = docker("volume", "create")
    try:
        yield name
    finally:
        docker("volume", "rm", "-f", name)


@contextlib.contextmanager
def network() -> Iterator[str]:
    """A network for the time of the block."""
    name = docker("network", "create", f"{PROJECT}-{secrets.token_hex(4)}")
    try:
        yield name
    finally:
        docker("network", "rm", name)


def health(name: str) -> str:
    """Docker's opinion of a container."""
    return docker("inspect", "-f", "{{if .State.Health}}{{.State.Health.Status}}{{end}}", name)


def until(true: Callable[[], Any], seconds: float, otherwise: str) -> Any:
    """Wait for a value that counts as true, and return it. Raises Failure when the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = true()
        if value:
            return value
        time.sleep(0.2)
    raise Failure(otherwise)


def expect(true: bool, otherwise: str) -> None:
    """Raises Failure unless something is true."""
    if not true:
        raise Failure(otherwise)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
