"""`requirements-serve.txt` has all that serving imports, and nothing that only other rooms do."""

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from tests.conftest import ROOT
from tests.unit.test_walls import TORCH, imports, needs_torch

# SQLAlchemy opens it by the database's address.
BY_NAME = {"psycopg"}
# They train, or make engines; serving does neither.
ELSEWHERE = ("app/training/", "app/vision/analyzers/", "app/vision/engine/__main__.py", "app/vision/engine/quantize.py")
# Read beside MMDetection alone, which brings it.
BESIDE_MMDET = {"yaml"}


def named() -> set[str]:
    """The packages in the file, without extras and versions."""
    lines = (ROOT / "requirements-serve.txt").read_text().splitlines()
    return {re.split(r"[=<>\[]", line)[0].lower() for line in lines if line and not line.startswith("#")}


def brought(packages: set[str]) -> set[str]:
    """These packages, and all that they bring along."""
    found: set[str] = set()
    waiting = set(packages)
    while waiting:
        package = waiting.pop()
        found.add(package)
        try:
            needs = metadata.requires(package) or []
        except metadata.PackageNotFoundError:  # For another platform or another Python.
            continue
        plain = {normal(re.split(r"[ ;=<>!~\[(]", need)[0]) for need in needs if "extra ==" not in need}
        waiting |= plain - found
    return found


def normal(package: str) -> str:
    return package.lower().replace("_", "-")


def serving() -> Iterator[Path]:
    for path in [ROOT / "worker.py", *sorted((ROOT / "app").rglob("*.py"))]:
        if not path.relative_to(ROOT).as_posix().startswith(ELSEWHERE) and not needs_torch(path):
            yield path


def imported() -> set[str]:
    """Top-level names of what serving imports that is neither ours nor Python's, wherever in a file."""
    names = {name.partition(".")[0] for path in serving() for name in imports(path)} - {"", "app"}
    return names - set(sys.stdlib_module_names) - TORCH - BESIDE_MMDET


def test_what_serving_imports_is_installed_for_it() -> None:
    there, owners = brought(named()), metadata.packages_distributions()
    assert len(imported()) > 15
    missing = {name for name in imported() if not {normal(owner) for owner in owners[name]} & there}
    assert not missing


def test_what_is_installed_to_serve_is_used() -> None:
    owners = metadata.packages_distributions()
    used = {normal(owner) for name in imported() for owner in owners[name]} | BY_NAME
    text = "".join(path.read_text() for path in serving())
    # Its files are served, it is not imported.
    used |= {package for package in named() if f'"{package.replace("-", "_")}"' in text}
    assert named() <= used, named() - used
