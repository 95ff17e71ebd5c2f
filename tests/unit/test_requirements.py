"""The requirement files name all that is imported, not only what others bring along; that for serving, no more."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from tests.conftest import ROOT
from tests.unit.test_walls import TORCH, imports, needs_torch

SERVE, WEIGHTS, MAIN = "requirements-serve.txt", "requirements-weights.txt", "requirements.txt"
# SQLAlchemy opens it by the database's address.
BY_NAME = {"psycopg"}
# They train, or make engines; serving does neither.
ELSEWHERE = (
    "app/training/",
    "app/sketch/training/",
    "app/vision/engine/__main__.py",
    "app/vision/analyses/objects/quantize.py",
)
# Read beside MMDetection alone, which brings it.
BESIDE_MMDET = {"yaml"}


def named(*files: str) -> set[str]:
    """The packages in the files, without extras and versions."""
    lines = [line for file in files for line in (ROOT / file).read_text().splitlines()]
    return {re.split(r"[=<>\[]", line)[0].lower() for line in lines if line and not line.startswith(("#", "-r"))}


def normal(package: str) -> str:
    return package.lower().replace("_", "-")


def serving() -> Iterator[Path]:
    for path in [ROOT / "worker.py", *sorted((ROOT / "app").rglob("*.py"))]:
        if not path.relative_to(ROOT).as_posix().startswith(ELSEWHERE) and not needs_torch(path):
            yield path


def imported(paths: Iterable[Path]) -> set[str]:
    """Top-level names of what files import that is neither ours nor Python's, wherever in a file."""
    ours = {"", "app", "bench", "scripts", "tests", "worker"}
    names = {name.partition(".")[0] for path in paths for name in imports(ast.parse(path.read_text()))}
    return names - ours - set(sys.stdlib_module_names)


def unnamed(names: set[str], packages: set[str]) -> set[str]:
    """Those of the imported names that none of the packages gives."""
    owners = metadata.packages_distributions()
    return {name for name in names if not {normal(owner) for owner in owners[name]} & packages}


def test_what_serving_imports_is_named_for_it() -> None:
    names = imported(serving()) - TORCH - BESIDE_MMDET
    assert len(names) > 15
    assert not unnamed(names, named(SERVE))


def test_what_the_program_imports_is_named_for_it() -> None:
    assert not unnamed(imported([ROOT / "worker.py", *(ROOT / "app").rglob("*.py")]), named(SERVE, WEIGHTS, MAIN))


def test_what_tests_and_benchmarks_import_is_named_for_them() -> None:
    paths = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    assert not unnamed(imported(paths), named(SERVE, WEIGHTS, MAIN, "requirements-dev.txt"))


def test_what_is_installed_to_serve_is_used() -> None:
    owners = metadata.packages_distributions()
    used = {normal(owner) for name in imported(serving()) for owner in owners.get(name, ())} | BY_NAME
    text = "".join(path.read_text() for path in serving())
    # Its files are served, it is not imported.
    used |= {package for package in named(SERVE) if f'"{package.replace("-", "_")}"' in text}
    assert named(SERVE) <= used, named(SERVE) - used
