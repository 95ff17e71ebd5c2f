"""scripts/run_tests.py: what it passes on to pytest, and what it says in the end."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

TESTS = """
import pytest

def test_passes(): pass

@pytest.mark.parametrize("n", [1, 2])
def test_is_skipped(n): pytest.skip("no curl")

def test_is_skipped_too(): pytest.skip("no browser")

@pytest.fixture
def broken(): raise ValueError

def test_fails(): assert False

def test_has_an_error(broken): pass
"""


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, on a project of its own with one suite."""
    spec = importlib.util.spec_from_file_location("run_tests_script", ROOT / "scripts" / "run_tests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "tests" / "unit" / "test_some.py").write_text(TESTS)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "SUITES", ("unit",))
    return module


def said(runner: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    monkeypatch.setattr(sys, "argv", ["run_tests.py", *options])
    runner.main()
    return capsys.readouterr().out.partition("seconds\n")[2].partition("\n")[2]


@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_options_go_to_pytest_and_the_last_line_says_how_it_went(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], dashes: list[str]
) -> None:
    assert said(runner, monkeypatch, capsys, *dashes, "-k", "passes") == "All tests passed.\n"
    assert said(runner, monkeypatch, capsys, *dashes, "-k", "nothing") == "No test was selected.\n"


def test_what_was_skipped_is_told_with_its_reasons(
    runner: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons = "  2: no curl\n  1: no browser\n"
    assert (
        said(runner, monkeypatch, capsys, "-k", "skipped or passes")
        == f"No test failed, but 3 were skipped:\n{reasons}"
    )
    assert said(runner, monkeypatch, capsys) == f"Some tests failed; see above.\nOthers were skipped:\n{reasons}"


def test_a_test_that_fails_and_one_that_cannot_begin_are_failed(
    runner: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["run_tests.py"])
    assert runner.main() == 1
    assert runner.outcome(tmp_path / "build" / "tests-unit.xml") == (1, 2, ["no curl", "no curl", "no browser"])
