"""scripts/install.py: what it decides, what it believes, and what it says."""

import importlib.util
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.conftest import ROOT
from tests.unit.servers import reply, serving


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, on a project of its own: one requirement file with one package, found in `wheels`."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("install_script", ROOT / "scripts" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pins = "torch==2.12.1\ntorchvision==0.27.1\nmmcv-full==1.7.2\n"
    (tmp_path / "requirements.txt").write_text(pins)
    (tmp_path / "requirements-serve.txt").write_text("tiny==1.0\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setitem(module.PROOFS, "serve", "import tiny")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return module


def write_wheel(folder: Path) -> None:
    """The package `tiny` as a wheel."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\n")


def test_a_failed_installation_is_not_believed_and_the_next_run_goes_on(
    installer: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    venv = tmp_path / "venv"
    with pytest.raises(installer.InstallError, match="tiny") as failed:
        installer.install(venv, ["serve"])
    assert "\n" not in str(failed.value)
    assert installer.stamped(venv) == {}

    made = (venv / "pyvenv.cfg").stat().st_mtime_ns
    write_wheel(tmp_path / "wheels")
    installer.install(venv, ["serve"])
    assert (venv / "pyvenv.cfg").stat().st_mtime_ns == made
    assert installer.stamped(venv) == {"serve": installer.fingerprint(venv)}

    capsys.readouterr()
    installer.install(venv, ["serve"])
    assert capsys.readouterr().out == ""

    (tmp_path / "requirements-serve.txt").write_text("tiny==1.0\n# changed\n")
    installer.install(venv, ["serve"])
    assert "Setting up" in capsys.readouterr().out


def test_a_package_cut_off_while_it_was_unpacked_is_installed_again(installer: ModuleType, tmp_path: Path) -> None:
    site = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    whole, half, rest = site / "whole-1.0.dist-info", site / "half-1.0.dist-info", site / "~orch"
    for folder in (whole, half, rest):
        folder.mkdir(parents=True)
    (whole / "RECORD").touch()
    (half / "METADATA").touch()
    installer.forget_half_installed(tmp_path / "venv")
    assert [path.name for path in site.iterdir()] == [whole.name]


def test_a_stamp_counts_for_nothing_while_an_installation_is_unfinished(installer: ModuleType, tmp_path: Path) -> None:
    (tmp_path / installer.STAMP).write_text(json.dumps({"main": "x"}))
    assert installer.stamped(tmp_path) == {"main": "x"}
    (tmp_path / installer.BEGUN).touch()
    assert installer.stamped(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_a_broken_stamp_counts_for_nothing(installer: ModuleType, tmp_path: Path, text: str) -> None:
    (tmp_path / installer.STAMP).write_text(text)
    assert installer.stamped(tmp_path) == {}


def test_torch_comes_from_the_cpu_index_where_it_answers_and_there_is_no_gpu(installer: ModuleType) -> None:
    with serving(lambda seen, handler: reply(handler, 200 if seen.path == "/cpu/torch/" else 404)) as server:
        address = f"http://127.0.0.1:{server.port}"
        index = f"{address}/cpu"
        cpu = installer.torch_requirements(gpu=False, index=index)
        assert cpu == ["torch==2.12.1+cpu", "torchvision==0.27.1+cpu", "--extra-index-url", index]
        plain = ["torch==2.12.1", "torchvision==0.27.1"]
        assert installer.torch_requirements(gpu=True, index=index) == plain
        assert installer.torch_requirements(gpu=False, index=f"{address}/elsewhere") == plain
    assert installer.torch_requirements(gpu=False, index=index) == plain


def test_a_full_disk_is_said_before_anything_is_done(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer.shutil, "disk_usage", lambda path: SimpleNamespace(free=1.2e9))
    with pytest.raises(installer.InstallError, match=r"has 1\.2 GB free and 9 GB are needed"):
        installer.check_disk(tmp_path / "venv", "gpu")


def test_a_missing_compiler_or_header_is_said_with_what_to_install(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(installer.InstallError, match="apt-get install build-essential"):
        installer.check_compiler()
    (tmp_path / "g++").touch(mode=0o755)
    monkeypatch.setattr(installer.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(installer.InstallError, match="apt-get install python3-dev"):
        installer.check_compiler()


@pytest.mark.parametrize("compiler", [True, False])
def test_mmcv_is_built_for_cuda_only_where_its_compiler_is(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: bool
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    if compiler:
        (tmp_path / "nvcc").touch(mode=0o755)
    pip = Mock(says=Mock(return_value=True))
    installer.install_mmcv(pip)
    assert ("CUDA_VISIBLE_DEVICES" in pip.install.call_args.kwargs) is not compiler


def test_another_python_is_said_with_what_to_do(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(installer.sys, "version_info", (3, 14, 0))
    monkeypatch.setattr(installer.sys, "argv", ["install.py"])
    monkeypatch.setattr(installer.shutil, "which", lambda name: None)
    assert installer.main() == 1
    assert capsys.readouterr().err == (
        "Python 3.11 is needed and this is 3.14: install it, or make up PYTHON=/path/to/python3.11\n"
    )


def test_a_build_shows_how_far_it_is(installer: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    progress = installer.pip_runner.Progress()
    for line in ["Downloading https://x/torch-2.whl (532 MB)", "noise", *(f"  [{n}/50] c++ -c" for n in range(1, 51))]:
        progress.see(line)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  torch-2.whl (532 MB)"
    assert [line.split()[0] for line in lines[1:]] == [str(n) for n in range(5, 51, 5)]


def test_the_log_tells_the_reason_of_a_failure(installer: ModuleType, tmp_path: Path) -> None:
    pip = installer.Pip(tmp_path, tmp_path)
    pip.python = sys.executable
    with pytest.raises(installer.InstallError, match="Testing failed: ValueError: the reason"):
        pip.run("-c", "raise ValueError('the reason')", failure="Testing failed")
    assert "Traceback" in (tmp_path / "build" / "install.log").read_text()
