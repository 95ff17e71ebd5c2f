#!/usr/bin/env python3
"""Make `.venv` with everything that the program needs. Standard library only.

`make up` and `make test` call it. The first run takes minutes and shows what it does; when nothing has changed since,
a run does nothing. An interrupted run is taken up where it was left.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.request
from pathlib import Path

import pip_runner
from pip_runner import InstallError, Pip, run_quietly

ROOT = Path(__file__).resolve().parent.parent
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_TIMEOUT = 5  # seconds that PyTorch's index has to answer
GPU_DRIVER = Path("/proc/driver/nvidia/version")
# In the virtual environment: what is known to be installed; and that an installation was begun and not ended.
STAMP, BEGUN = ".installed", ".installing"
# Gigabytes that an installation takes, with room for pip's unpacking.
DISK = {"serve": 2.0, "cpu": 4.0, "gpu": 9.0}
# In the registry's torch for GPUs, opened by it only when one is used: 1.4 GB.
GPU_PACKAGES = ("triton", "nvidia-nvtx")
GPU_FILES = ("cudnn/lib/libcudnn_*", "cu13/lib/libcusolverMg*", "cu13/lib/libnvrtc.alt*", "cu13/lib/libnvperf_*")
# What pip calls installed may still not import.
PROOFS = {
    "serve": "import alembic, cv2, flask, gunicorn, openvino, redis, rq, sqlalchemy",
    "main": "import torch, torchvision, mmcv.ops, mmdet.apis, flask, gunicorn, openvino, redis, rq",
    "dev": "import pytest, hypothesis, fakeredis",
}
REQUIREMENTS = {"serve": "requirements-serve.txt", "main": "requirements.txt", "dev": "requirements-dev.txt"}


def main() -> int:
    """Install what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="also what the tests and tools need")
    parser.add_argument("--serve", action="store_true", help="only what serves on the OpenVINO engine: no torch")
    parser.add_argument("--venv", default=".venv", help="the folder to make (default: .venv)")
    parser.add_argument("--without-gpu", action="store_true", help="drop what the registry's torch has for GPUs only")
    options = parser.parse_args()
    profiles = ["serve"] if options.serve else ["main", "dev"] if options.dev else ["main"]
    try:
        check_python()
        with one_at_a_time():
            install(ROOT / options.venv, profiles, options.without_gpu)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. The next run goes on from here.", file=sys.stderr)
        return 130
    return 0


def install(venv: Path, profiles: list, without_gpu: bool = False) -> None:
    """Bring a virtual environment to what the profiles (serve; main; main and dev) ask for. Raises InstallError."""
    digest = fingerprint(venv)
    if all(stamped(venv).get(profile) == digest for profile in profiles):
        return
    started = time.monotonic()
    print(f"Setting up {venv.name}; the first time takes some minutes.", flush=True)
    gpu = "serve" not in profiles and has_gpu()
    torch = [] if "serve" in profiles else torch_requirements(gpu)
    check_disk(venv, "serve" if "serve" in profiles else "cpu" if "--extra-index-url" in torch else "gpu")
    begin(venv)
    pip = Pip(venv, ROOT)
    if torch:
        where = "PyTorch's CPU index" if "--extra-index-url" in torch else "the package registry"
        pip.install(f"PyTorch, from {where}", *torch)
        # Before mmcv-full, which takes the OpenCV that it finds and brings another when it finds none.
        pip.install("what builds and serves", *BUILD_TOOLS, "-r", REQUIREMENTS["serve"])
        install_mmcv(pip)
    for profile in profiles:
        pip.install(f"the packages of {REQUIREMENTS[profile]}", "-r", REQUIREMENTS[profile])
    if without_gpu and torch and not gpu:
        drop_gpu_parts(pip)
    for profile in profiles:
        pip.run("-c", PROOFS[profile], failure="Some packages do not work")
    finish(venv, dict.fromkeys(profiles, digest))
    print(f"Set up in {time.monotonic() - started:.0f} s.", flush=True)


def check_python() -> None:
    """Go on as Python 3.11 with what makes virtual environments, starting it where this is another one."""
    if sys.version_info[:2] == (3, 11):
        for module in ("venv", "ensurepip"):
            try:
                __import__(module)
            except ImportError as error:
                raise InstallError(
                    "This Python cannot make virtual environments: apt-get install python3-venv"
                ) from error
        return
    for name in ("python3.11", "/usr/bin/python3.11", "/usr/local/bin/python3.11"):
        path = shutil.which(name)
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            os.execv(path, [path, *sys.argv])
    found = "{}.{}".format(*sys.version_info[:2])
    raise InstallError(f"Python 3.11 is needed and this is {found}: install it, or make up PYTHON=/path/to/python3.11")


@contextlib.contextmanager
def one_at_a_time():
    """Let no two installations run at once."""
    with open(__file__) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another installation to end.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(venv: Path) -> str:
    """What an installation depends on, as one hash: requirements, this program, the Python, the folder."""
    digest = hashlib.sha256(f"{sys.version} {venv.resolve()}".encode())
    for path in [*(ROOT / name for name in REQUIREMENTS.values()), Path(__file__), Path(pip_runner.__file__)]:
        # An image holds only the requirement files that it installs.
        digest.update(path.read_bytes() if path.exists() else b"-")
    return digest.hexdigest()


def stamped(venv: Path) -> dict:
    """The profiles known to be installed, each with its fingerprint."""
    try:
        found = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and not (venv / BEGUN).exists() else {}


def begin(venv: Path) -> None:
    """Have a virtual environment that may be installed into, and is not believed until `finish`."""
    python = venv / "bin" / "python"
    works = python.exists() and run_quietly([python, "-c", "import sys; assert sys.version_info[:2] == (3, 11)"])
    if not works or not run_quietly([python, "-m", "pip", "--version"]):
        if run_quietly([sys.executable, "-m", "venv", "--clear", venv]) is False:
            raise InstallError(f"{venv} could not be made: see that it may be written to, and install python3-venv")
    elif (venv / BEGUN).exists():
        forget_half_installed(venv)
    (venv / BEGUN).touch()
    (venv / STAMP).unlink(missing_ok=True)


def forget_half_installed(venv: Path) -> None:
    """Have pip install again what it was unpacking when it was stopped: its RECORD, written last, is missing."""
    for site in venv.glob("lib/python3.*/site-packages"):
        halves = [path for path in site.glob("*.dist-info") if not (path / "RECORD").is_file()]
        for path in [*halves, *site.glob("~*")]:
            shutil.rmtree(path, ignore_errors=True)


def finish(venv: Path, profiles: dict) -> None:
    """Note what is installed, in one step that cannot be cut in half."""
    new = venv / (STAMP + ".new")
    new.write_text(json.dumps(profiles))
    new.replace(venv / STAMP)
    (venv / BEGUN).unlink()


def pinned(name: str) -> str:
    """The line of requirements.txt that pins a package."""
    found = re.search(
        rf"^{re.escape(name)}[=<>].*?(?=\s*(#|$))", (ROOT / REQUIREMENTS["main"]).read_text(), re.MULTILINE
    )
    assert found, name
    return found[0]


BUILD_TOOLS = (pinned("setuptools"), "wheel", "ninja") if (ROOT / REQUIREMENTS["main"]).exists() else ()


def has_gpu() -> bool:
    """Whether an NVIDIA driver is loaded."""
    return GPU_DRIVER.exists()


def torch_requirements(gpu: bool, index: str = CPU_INDEX) -> list:
    """What to ask pip for to get torch: CPU builds where there is no GPU and their index answers."""
    names = [pinned("torch"), pinned("torchvision")]
    if gpu or sys.platform != "linux" or not answers(f"{index}/torch/"):
        return names
    return [*(f"{name}+cpu" for name in names), "--extra-index-url", index]


def answers(url: str) -> bool:
    """Whether a web address answers with 200 before long."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT) as response:
            return response.status == 200
    except (OSError, ValueError):
        return False


def check_disk(venv: Path, kind: str) -> None:
    """Refuse to begin what would fill the disk."""
    there = sum(path.lstat().st_size for path in venv.rglob("*")) / 1e9 if venv.exists() else 0
    free, wanted = shutil.disk_usage(venv.parent).free / 1e9, DISK[kind] - there
    if free < wanted:
        raise InstallError(f"{venv.parent} has {free:.1f} GB free and {wanted:.0f} GB are needed: make room there")


def install_mmcv(pip: Pip) -> None:
    """Install mmcv-full: a wheel if pip finds one, else built here, which takes a C++ compiler and time."""
    name = pinned("mmcv-full")
    found = pip.says("install", "--dry-run", "--no-deps", "--only-binary", ":all:", name)
    what = "mmcv-full"
    if not found:
        check_compiler()
        what = "mmcv-full, built from source: about 9 minutes on 2 cores"
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    jobs = max(1, min(cores, int(memory // 2)))
    build = {"MMCV_WITH_OPS": "1", "FORCE_CUDA": "0", "MAX_JOBS": str(jobs)}
    if not (shutil.which("nvcc") or os.environ.get("CUDA_HOME")):
        # Wherever torch sees a GPU, mmcv-full builds for CUDA, and fails without its compiler.
        build["CUDA_VISIBLE_DEVICES"] = ""
    pip.install(what, "--no-build-isolation", name, **build)


def check_compiler() -> None:
    """Raise InstallError where C++ extensions of Python cannot be built."""
    if not shutil.which(os.environ.get("CXX", "c++")) and not shutil.which("g++"):
        raise InstallError("mmcv-full must be built and there is no C++ compiler: apt-get install build-essential")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise InstallError("mmcv-full must be built and Python's headers are missing: apt-get install python3-dev")


def drop_gpu_parts(pip: Pip) -> None:
    """Remove what the registry's torch never opens on a machine without a GPU."""
    pip.run("-m", "pip", "uninstall", "-y", *GPU_PACKAGES, failure="Parts for GPUs could not be removed")
    for site in pip.venv.glob("lib/python3.*/site-packages"):
        for pattern in GPU_FILES:
            for path in site.glob(f"nvidia/{pattern}"):
                path.unlink()


if __name__ == "__main__":
    sys.exit(main())
