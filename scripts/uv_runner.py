"""uv, found or fetched by pip, with the settings that pip is given. Standard library only."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pip_settings import pip_settings, uv_options, uv_variables

ROOT = Path(__file__).resolve().parent.parent
VERSION, OLDEST = "0.13.9", (0, 9)  # what is fetched, and what an installed one must have


class InstallError(Exception):
    """What stands in the way, in one line with the next step."""


def output(*command: object) -> str | None:
    """What a command prints to its standard output; None where it fails."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def find_uv() -> str:
    """The path of uv: one that is installed, else one of our own in `build/uv`, fetched by pip. Raises InstallError."""
    installed, ours = shutil.which("uv"), ROOT / "build" / "uv"
    if installed and _version(installed) >= OLDEST:
        return installed
    uv = ours / "bin" / "uv"
    if ".".join(map(str, _version(uv))) != VERSION:
        print(f"- uv {VERSION}, which installs the rest", flush=True)
        shutil.rmtree(ours, ignore_errors=True)
        command = [_python_with_pip(), "-m", "pip", "install", "--quiet", "--no-input", "--target", ours]
        done = subprocess.run([*command, f"uv=={VERSION}"], cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise InstallError(f"pip could not fetch uv: {last}. Run this again, or install uv yourself.")
    return str(uv)


def _python_with_pip() -> str:
    """This Python if it has pip, else that of a virtual environment with one. Raises InstallError."""
    if importlib.util.find_spec("pip"):
        return sys.executable
    venv = ROOT / "build" / "pip"
    if output(sys.executable, "-m", "venv", "--clear", venv) is None:
        raise InstallError("This Python has no pip: apt-get install python3-venv, or install uv yourself.")
    return str(venv / "bin" / "python")


def _version(uv: object) -> tuple[int, ...]:
    found = re.search(r"\d+(\.\d+)+", output(uv, "--version") or "")
    return tuple(map(int, found[0].split("."))) if found else ()


class Uv:
    """Runs uv on one virtual environment, in the project's folder. What uv says goes to the terminal."""

    def __init__(self, venv: Path):
        self.venv, self.python = venv, venv / "bin" / "python"
        try:
            pip = pip_settings(os.environ)
            self._environment = {**os.environ, **uv_variables(pip, os.environ)}
        except ValueError as error:
            raise InstallError(str(error)) from error
        if sys.dont_write_bytecode:  # Nobody would compile it later.
            self._environment.setdefault("UV_COMPILE_BYTECODE", "1")
        if any((ROOT / "wheels").glob("*.whl")):
            links = self._environment.get("UV_FIND_LINKS")
            self._environment["UV_FIND_LINKS"] = f"{links},wheels" if links else "wheels"
        self._options = uv_options(pip)
        self._uv = find_uv()

    def has_wheel(self, requirement: str) -> bool:
        """Whether a package can be installed without building it."""
        command = self._install("--dry-run", "--no-deps", "--only-binary", ":all:", requirement)
        return subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True).returncode == 0

    def install(self, what: str, *requirements: str, index: str = "", **environment: str) -> None:
        """Install requirements, with a line that says what they are. Raises InstallError.

        index: a package index besides those of pip's settings; environment: variables for what is built.
        """
        print(f"- {what}", flush=True)
        if index:
            others = self._environment.get("UV_INDEX", "")
            environment |= {"UV_INDEX": f"{others} {index}".strip(), "UV_INDEX_STRATEGY": "unsafe-best-match"}
        self.run(*self._install(*requirements)[1:], failure=f"Installing {what} failed", **environment)

    def run(self, *arguments: str, failure: str, **environment: str) -> None:
        """Run uv. Raises InstallError with `failure`; uv itself has said why."""
        if subprocess.run([self._uv, *arguments], cwd=ROOT, env={**self._environment, **environment}).returncode:
            raise InstallError(f"{failure}, for the reason above. Then run this again.")

    def _install(self, *arguments: str) -> list[str]:
        return [self._uv, "pip", "install", "--python", str(self.python), *self._options, *arguments]
