"""What the small image leaves out: all that the lists name is there to be left out, and nothing else goes."""

import importlib.util
import platform
from pathlib import Path

import pytest

from scripts import slim
from tests.conftest import ROOT

SITE = Path(importlib.util.find_spec("flask").origin).parent.parent  # type: ignore[union-attr,arg-type]


def made(site: Path, *names: str) -> None:
    for name in names:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text("x")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="OpenVINO has other plugins there")
@pytest.mark.parametrize("pattern", [p for package, patterns in slim.UNUSED.items() for p in patterns])
def test_every_pattern_names_something_that_is_installed(pattern: str) -> None:
    assert any(SITE.glob(pattern)), pattern


def test_every_package_is_one_that_serves() -> None:
    serving = (ROOT / "requirements-serve.txt").read_text()
    assert all(f"\n{package}==" in serving for package in slim.UNUSED)
    assert all((SITE / "botocore/data" / service).is_dir() for service in slim.SERVICES)


def test_what_runs_graphs_and_reads_them_stays(tmp_path: Path) -> None:
    frontends = ["libopenvino_ir_frontend.so.2641", "libopenvino_onnx_frontend.so.2641"]
    kept = ["libopenvino.so.2641", "libopenvino_intel_cpu_plugin.so", "libtbb.so.12", *frontends]
    lost = ["libopenvino_intel_gpu_plugin.so", "libopenvino_auto_batch_plugin.so"]
    made(tmp_path, *(f"openvino/libs/{name}" for name in kept + lost))
    assert {path.name for path in slim.unused(tmp_path)} == set(lost)


def test_of_amazons_services_the_store_and_what_gives_credentials_stay(tmp_path: Path) -> None:
    made(tmp_path, *(f"botocore/data/{name}" for name in ("s3/a.json", "sts/a.json", "ec2/a.json", "endpoints.json")))
    assert [path.name for path in slim.unused(tmp_path)] == ["ec2"]


def test_folders_go_with_all_that_is_in_them(tmp_path: Path) -> None:
    made(tmp_path, "numpy/lib/tests/data/a.txt", "numpy/lib/a.py")
    assert slim.size(tmp_path / "numpy/lib/tests") > 0
    for path in slim.unused(tmp_path):
        slim.remove(path)
    assert [path.name for path in (tmp_path / "numpy/lib").iterdir()] == ["a.py"]
