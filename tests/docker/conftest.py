"""The images, built once. `DOCKER` names the command; with `DOCKER_BUILD=0` the images are taken as they are."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docker.containers import DOCKER, FULL, SMALL


@pytest.fixture(scope="session", autouse=True)
def images(pytestconfig: pytest.Config) -> None:
    """Both images, the full one with a wheel of mmcv-full if there is one: compiling takes minutes."""
    if not shutil.which(DOCKER):
        pytest.exit("There is no Docker here: install it, or name its command: DOCKER=/path/to/docker", 1)
    if os.environ.get("DOCKER_BUILD") == "0":
        return
    wheels = ROOT / "wheels"
    for folder in os.environ.get("PIP_FIND_LINKS", "").split():
        for wheel in Path(folder).glob("mmcv_full-*.whl") if "://" not in folder else ():
            wheels.mkdir(exist_ok=True)
            shutil.copy(wheel, wheels)
    for options in (["-t", SMALL, "--target", "small"], ["-t", FULL, "--target", "full"]):
        # The host's network: the bridge of some build machines leads nowhere.
        status = subprocess.run([DOCKER, "build", "--network", "host", *options, "."], cwd=ROOT).returncode
        assert status == 0, f"{options[1]} cannot be built"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sizes of the images."""
    listed = subprocess.run(
        [DOCKER, "images", "--format", "{{.Repository}}:{{.Tag}}  {{.Size}}", SMALL], capture_output=True, text=True
    )
    terminalreporter.write(f"\n{listed.stdout}")
