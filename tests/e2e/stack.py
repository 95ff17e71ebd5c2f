"""The whole service as it runs: a worker and gunicorn as processes of their own, on a real Redis."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from app.config.settings import Settings
from app.launch.launcher import WEB_ENVIRONMENT
from app.launch.redis_server import free_port
from tests.conftest import ROOT

READY_SECONDS = 90
ADMIN_KEY = "the key of the admin"
LIGHT = "tests.e2e.light:offer"


def settings(folder: Path, redis_url: str) -> Settings:
    """The settings of a service that stores its data in `folder`."""
    return Settings(data_dir=str(folder / "data"), redis_url=redis_url, secret_key="a key for the tests")


@contextlib.contextmanager
def serving(folder: Path, redis_url: str, *analyzers: str, trains: bool = False, **settings: str) -> Iterator[str]:
    """The address of a service whose worker is ready.

    analyzers: `--analyzers MODULE:FUNCTION` for the worker; none for the real models. trains: with a worker of the
    trainings.
    """
    port = free_port()
    environ = {
        **os.environ,
        "DATA_DIR": str(folder / "data"),
        "REDIS_URL": redis_url,
        "SECRET_KEY": "a key for the tests",
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
        **WEB_ENVIRONMENT,
        **settings,
    }
    web = [
        "-m",
        "gunicorn",
        "--config",
        "python:app.launch.gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "app:create_app()",
    ]
    worker = ["worker.py", *(("--analyzers", *analyzers) if analyzers else ())]
    with contextlib.ExitStack() as processes:
        processes.enter_context(_process(worker, environ, folder / "worker.log"))
        processes.enter_context(_process(web, environ, folder / "web.log"))
        _wait(port, folder)
        if trains:
            processes.enter_context(_process(["-m", "tests.e2e.trainer"], environ, folder / "trainer.log"))
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _process(arguments: list[str], environ: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, *arguments], env=environ, cwd=ROOT, stdout=output, stderr=output)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(port: int, folder: Path) -> None:
    """Until /readyz says that photos can be taken."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if json.loads(connection.getresponse().read())["ready"]:
                return
        time.sleep(0.2)
    logs = "\n".join((folder / name).read_text()[-2000:] for name in ("worker.log", "web.log"))
    raise TimeoutError(f"the service did not get ready:\n{logs}")
