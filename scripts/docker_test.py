#!/usr/bin/env python3
"""Build the image and try it for real: `docker run`, compose with a killed worker, Heroku's layout. Standard library.

`make docker-test`. Uses `docker`, or what DOCKER names; says each thing that it saw; leaves no container behind.
"""

import argparse
import contextlib
import http.cookiejar
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCKER = os.environ.get("DOCKER", "docker")
IMAGE, SERVE = "flask-detector", "flask-detector:serve"
PROJECT = "flask-detector-test"
PHOTO = ROOT / "test_images" / "astronaut.jpg"
ANALYSES = ("objects", "faces", "labels")
START = 300.0  # seconds that anything may take to start, models and all
ANSWER = 120.0  # seconds that a photo may take
SMALL = 700  # megabytes that the image without torch may have


class Failure(Exception):
    """Something that is not as it should be."""


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


def saw(what: str) -> None:
    """Say what was seen to work."""
    print(f"  {what}", flush=True)


def docker(*arguments: str, **more: Any) -> str:
    """A docker command's output. Raises Failure with its last words."""
    done = subprocess.run([DOCKER, *arguments], capture_output=True, text=True, cwd=ROOT, **more)
    if done.returncode:
        raise Failure(f"docker {' '.join(arguments[:3])}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout.strip()


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
    gone = "import importlib.util as u; print([n for n in ('torch', 'mmcv', 'facenet_pytorch') if u.find_spec(n)])"
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


def readiness(address: str) -> Any:
    """What /readyz says; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=10) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.loads(error.read() or b"{}") if error.code == 503 else {}
    except (OSError, ValueError):
        return {}


def ready(address: str, workers: int = 1) -> bool:
    """Whether photos can be sent, and so many workers are there."""
    state = readiness(address)
    return bool(state.get("ready")) and state["workers"] >= workers


def send_photo(address: str, photo: bytes, analyses: Sequence[str] = ANALYSES) -> str:
    """Send a photo as the page's form does; the path of its run's page."""
    visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = visitor.open(address + "/", timeout=30).read().decode()
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    if not token:
        raise Failure("the page has no form")
    edge = secrets.token_hex(8)
    fields = [("csrf_token", token[1]), *(("analyses", name) for name in analyses)]
    body = "".join(
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    )
    body += f'--{edge}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n\r\n'
    data = body.encode() + photo + f"\r\n--{edge}--\r\n".encode()
    request = urllib.request.Request(address + "/", data, {"Content-Type": f"multipart/form-data; boundary={edge}"})
    with visitor.open(request, timeout=60) as response:
        return str(response.url).removeprefix(address).split("?")[0]


def check_answer(address: str, page: str) -> None:
    """Wait for the run to be done, and look at its photo."""

    def state() -> str:
        with urllib.request.urlopen(f"{address}{page}/status", timeout=30) as response:
            return str(json.load(response)["state"])

    until(lambda: state() in ("done", "failed"), ANSWER, f"{page} is not done")
    expect(state() == "done", f"{page} failed")
    with urllib.request.urlopen(f"{address}{page}/download", timeout=60) as response:
        image, disposition = response.read(), response.headers["Content-Disposition"]
    expect(image[:2] == b"\xff\xd8" and image != PHOTO.read_bytes(), "the download is no annotated photo")
    expect("attachment" in disposition and "detected_photo" in disposition, f"it is sent as {disposition}")


def check_data_science(address: str) -> None:
    """Every analysis answers `/do_data_science`: labels, objects, and a picture with the one face."""
    edge = secrets.token_hex(8)
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    data = head.encode() + PHOTO.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    request = urllib.request.Request(f"{address}/do_data_science", data, headers)
    with urllib.request.urlopen(request, timeout=ANSWER) as response:
        answer = json.load(response)
    expect(not answer["error"], f"/do_data_science says {answer['error']}")
    labels, objects = json.loads(answer["resnet"]), json.loads(answer["yolov3"])
    expect(len(labels) == 3 and "person" in objects, f"/do_data_science finds {labels} and {objects}")
    pictures = {}
    for name in ("original", "faces_source"):
        path = urllib.parse.urlsplit(answer[name]).path
        with urllib.request.urlopen(address + path, timeout=60) as response:
            pictures[name] = response.read()
    expect(len(set(pictures.values())) == 2, "no face was drawn")
    saw(f"/do_data_science finds {', '.join(objects)} and a face, and calls it {next(iter(labels))}")


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


if __name__ == "__main__":
    sys.exit(main())
