"""Where an export writes to, and what it finds there."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.config.settings import Settings
from app.vision.analyses.analysis import EngineExport
from app.vision.analyses.offer import choose
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.catalogue.zoo import find_model
from app.vision.engine import __main__ as engine
from tests.conftest import ROOT


def replace_export(monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]) -> None:
    """Let the engines of detectors be written by another function."""
    export = EngineExport("3", (), write)
    monkeypatch.setattr(engine, "export_of", lambda model: export)


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """The starter in an empty folder, with an export that takes no time."""

    def write(model: Model, checkpoints: Path, folder: Path, source: dict[str, str]) -> None:
        (folder / "dense.xml").write_text("<net>")

    replace_export(monkeypatch, write)
    model = load_catalogue()["starter"]
    (tmp_path / model.file).symlink_to(ROOT / "checkpoints" / model.file)
    return model


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_killed_exports_left_is_removed_and_what_a_living_one_writes_is_not(
    starter: Model, tmp_path: Path
) -> None:
    left, living = (tmp_path / "engines" / f"starter.part-{number}" for number in (1, 2))
    for folder in (left, living):
        folder.mkdir(parents=True)
        (folder / "dense.bin").write_bytes(b"half of it")
    descriptor = os.open(living, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    engine.export(starter, tmp_path)
    os.close(descriptor)
    assert names(tmp_path / "engines") == ["starter", "starter.part-2"]
    assert names(tmp_path / "engines" / "starter") == ["dense.xml"]


def test_an_export_that_breaks_off_leaves_the_engine_that_was_there(
    starter: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.export(starter, tmp_path)

    def break_off(*_: object) -> None:
        raise KeyboardInterrupt

    replace_export(monkeypatch, break_off)
    with pytest.raises(KeyboardInterrupt):
        engine.export(starter, tmp_path)
    assert names(tmp_path / "engines") == ["starter"]
    assert names(tmp_path / "engines" / "starter") == ["dense.xml"]


@pytest.mark.parametrize("setting", ["auto", "faster_rcnn_r50_fpn_1x_coco"])
def test_a_model_of_the_zoo_that_is_served_gets_an_engine(tmp_path: Path, setting: str) -> None:
    model = find_model("faster_rcnn_r50_fpn_1x_coco")
    (tmp_path / model.file).write_bytes(b"weights")
    settings = Settings(checkpoints_dir=str(tmp_path), model=setting)
    assert choose("objects", settings)[0] == model
    assert [found for found in engine.installed(settings) if found.analyzer == "objects"] == [model]


def test_no_conversion_is_reported_to_the_makers_of_the_converter() -> None:
    code = "import app.vision.analyses.objects.export\n"
    code += "import openvino.tools.ovc.convert_impl as impl, nncf.telemetry.wrapper as nncf\n"
    code += "print(impl.tm.__name__, type(nncf.telemetry).__name__)"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    converter, quantizer = said.split()[-2:]
    assert converter == "openvino.tools.ovc.telemetry_stub"
    assert quantizer != "NNCFTelemetry"
