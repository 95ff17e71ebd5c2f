#!/usr/bin/env python3
"""Build the image and try it for real: `docker run`, compose with a killed worker, Heroku's layout. Standard library.

`make docker-test`. Uses `docker`, or what DOCKER names; says each thing that it saw; leaves no container behind.
"""

import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from containers import (
    DOCKER,
    ROOT,
    Failure,
    compose,
    container,
    docker,
    expect,
    free_port,
    health,
    network,
    saw,
    until,
    volume,
)
from visitor import ANSWER, PHOTO, check_answer, check_data_science, readiness, ready, send_photo

IMAGE, SERVE = "flask-detector", "flask-detector:serve"
START = 300.0  # seconds that anything may take to start, models and all
SMALL = 700  # megabytes that the image without torch may have


def main() -> int:
    """Run the tries that the command line names, or all; the exit status."""
    trials = {"run": alone, "serve": small, "compose": composed, "heroku": heroku}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trials", nargs="*", metavar="TRIAL", help=f"of {', '.join(trials)} (default: all)")
    parser.add_argument("--no-build", action="store_true", help=f"try the image {IMAGE} as it is")
    options = parser.parse_args()
    if not shutil.which(DOCKER):
        print("There is no Docker here: install it, or name its command: DOCKER=/path/to/docker", file=sys.stderr)
        return 1
    try:
        if not options.no_build:
            build()
        for trial in [trials[name] for name in options.trials or trials]:
            print(f"\n{(trial.__doc__ or '').splitlines()[0]}", flush=True)
            trial()
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    print("\nSizes")
    for line in docker("images", "--format", "{{.Repository}}:{{.Tag}}  {{.Size}}", "flask-detector").splitlines():
        saw(line)
    return 0


def build() -> None:
    """Build the image, with a wheel of mmcv-full if one is at hand: compiling takes minutes."""
    began, wheels = time.monotonic(), ROOT / "wheels"
    for folder in os.environ.get("PIP_FIND_LINKS", "").split():
        for wheel in Path(folder).glob("mmcv_full-*.whl") if "://" not in folder else ():
            wheels.mkdir(exist_ok=True)
            shutil.copy(wheel, wheels)
    print("Building the image", flush=True)
    # The host's network: the bridge of some build machines leads nowhere.
    for options in (["-t", IMAGE], ["-t", SERVE, "--target", "serve"]):
        if subprocess.run([DOCKER, "build", "--network", "host", *options, "."], cwd=ROOT).returncode:
            raise Failure("the image cannot be built")
    saw(f"built in {time.monotonic() - began:.0f} s")


def alone(image: str = IMAGE) -> None:
    """docker run -p 5000:5000"""
    with container("-p", "127.0.0.1::5000", image) as name:
        address = f"http://{docker('port', name, '5000').splitlines()[0]}"
        until(lambda: ready(address), START, "the service is not ready")
        began = time.monotonic()
        check_answer(address, send_photo(address, PHOTO.read_bytes()))
        saw(f"a photo went through the page in {time.monotonic() - began:.1f} s")
        check_data_science(address)
        until(lambda: health(name) == "healthy", 60, "the container is not healthy")
        saw("its health state is healthy")
        check_user(name)
        check_stop(name)


def small() -> None:
    """The image without torch"""
    size = int(docker("image", "inspect", "-f", "{{.Size}}", SERVE)) / 1e6
    expect(size < SMALL, f"{SERVE} has {size:.0f} MB, more than {SMALL}")
    gone = "import importlib.util as u; print([n for n in ('torch', 'mmcv', 'mmdet') if u.find_spec(n)])"
    expect(docker("run", "--rm", SERVE, "python", "-c", gone) == "[]", f"{SERVE} has torch")
    saw(f"it has {size:.0f} MB, and no torch")
    alone(SERVE)


def composed() -> None:
    """Compose, two workers, one of them killed in mid-job"""
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
        saw("one of two workers was killed with a photo in hand")
        for page in runs:
            check_answer(address, page)
        saw(f"all {len(runs)} photos were answered")
        until(lambda: docker("inspect", "-f", "{{.State.Status}}", victim) == "exited", 30, "it still runs")
        states = {name: health(name) for name in run("ps", "-q").split() if not name.startswith(victim)}
        until(lambda: all(health(name) == "healthy" for name in states), 120, f"not all are healthy: {states}")
        saw("redis, web and the other worker are healthy")
        append_only = run("exec", "-T", "redis", "redis-cli", "config", "get", "appendonly").split()
        expect(append_only == ["appendonly", "yes"], "Redis keeps no append-only file")
        run("restart", "redis", "web")
        until(lambda: ready(address), START, "not ready after a restart")
        check_answer(address, runs[0])
        saw("results outlive a restart of redis and web")


def heroku() -> None:
    """Heroku's layout: PORT given, any user id, Redis behind TLS with a certificate of its own making"""
    commands = dict(re.findall(r"^  (web|worker): (python .*)$", (ROOT / "heroku.yml").read_text(), re.MULTILINE))
    password, port, user = secrets.token_hex(8), str(free_port()), ("--user", "54321:54321")
    with volume() as tls, volume() as data, network() as net:
        certificate = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=redis -keyout key -out cert; chmod 644 key"
        docker("run", "--rm", "-v", f"{tls}:/data", "-w", "/data", IMAGE, "sh", "-c", certificate)
        server = ["redis-server", "--port", "0", "--tls-port", "6379", "--tls-auth-clients", "no", "--bind", "0.0.0.0"]
        server += ["--tls-cert-file", "/tls/cert", "--tls-key-file", "/tls/key", "--requirepass", password]
        address = f"rediss://:{password}@redis:6379"
        settings = [f"PORT={port}", f"SECRET_KEY={password}", f"REDIS_URL={address}"]
        given = [*(f"-e{setting}" for setting in settings), "--network", net, "-v", f"{data}:/data", *user]
        with container(
            "--network", net, "--network-alias", "redis", "-v", f"{tls}:/tls:ro", "redis:7-bookworm", *server
        ):
            trusting = [*given, "-eREDIS_TLS_VERIFY=false"]
            publish = ["-p", f"127.0.0.1:{port}:{port}"]
            with container(*publish, *trusting, SERVE, *commands["web"].split()) as web:
                url = f"http://127.0.0.1:{port}"
                with container(*trusting, IMAGE, *commands["worker"].split()) as worker:
                    until(lambda: ready(url), START, "the service is not ready")
                    check_answer(url, send_photo(url, PHOTO.read_bytes()))
                    saw("a photo went through a Redis with TLS and an unknown certificate")
                    expect(docker("exec", web, "id", "-u") == "54321", "not the given user")
                    saw("web and worker run as a user id that the image does not know")
                    check_stop(worker)
                check_stop(web)
            with container(*publish, *given, SERVE, *commands["web"].split()):
                until(lambda: readiness(url), START, "the web process does not answer")
                expect(readiness(url)["redis"] is False, "an unknown certificate was trusted")
                saw("without REDIS_TLS_VERIFY=false that certificate is refused")


def busy_worker(run: Callable[..., str]) -> str:
    """The container that has a photo in hand; empty while none has. Workers are named by their container's host."""
    keys = run("exec", "-T", "redis", "redis-cli", "keys", "detector:alive:*").split()
    for key in keys:
        said = run("exec", "-T", "redis", "redis-cli", "get", key)
        if '"job": "' in said:
            return key.split(":")[2]
    return ""


def check_user(name: str) -> None:
    """Nothing in the container runs as root, or can change the program."""
    users = {line.split()[0] for line in docker("top", name, "-eo", "uid,pid").splitlines()[1:]}
    expect("0" not in users, "something runs as root")
    expect(docker("exec", name, "sh", "-c", "touch /app/x 2>/dev/null || echo no") == "no", "/app can be written to")
    saw(f"its processes run as user {', '.join(sorted(users))}; /app cannot be written to")


def check_stop(name: str) -> None:
    """`docker stop` ends it by itself, not by force."""
    began = time.monotonic()
    docker("stop", "--time", "20", name)
    status = docker("inspect", "-f", "{{.State.ExitCode}}", name)
    expect(status == "0", f"it ended with {status}")
    saw(f"docker stop ended it cleanly in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
