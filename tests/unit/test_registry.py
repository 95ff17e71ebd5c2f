"""The registered analyses: what each of their folders gives, and which ones a worker loads by default."""

import dataclasses
import importlib.util
from pathlib import Path

import pytest

from app.config.analyses import ANALYSES, DEFAULT_ANALYSES
from app.config.settings import Settings
from app.vision.analyses import offer, registry
from app.vision.analyses.analysis import Analysis, Analyzer
from app.vision.catalogue import models as catalogue
from app.vision.catalogue.models import Model
from app.vision.results import Analysed
from tests.unit.results import everything


def replace(monkeypatch: pytest.MonkeyPatch, analysis: Analysis) -> None:
    """Let an analysis be registered in another way."""
    find = registry.find
    monkeypatch.setattr(registry, "find", lambda name: analysis if name == analysis.name else find(name))


def test_every_registered_folder_has_an_analysis_of_its_name() -> None:
    assert [analysis.name for analysis in registry.analyses()] == list(ANALYSES)
    assert all(analysis.title and analysis.summary for analysis in registry.analyses())
    kinds = [analysis.result.kind for analysis in registry.analyses()]
    assert len(set(kinds)) == len(kinds)


def test_what_a_request_gets_by_default_is_registered() -> None:
    assert set(DEFAULT_ANALYSES) <= set(ANALYSES)


def test_every_analysis_has_a_way_to_run() -> None:
    for analysis in registry.analyses():
        assert analysis.make or (analysis.make_openvino and analysis.make_pytorch and analysis.export), analysis.name


def test_a_stored_result_is_read_by_its_kind() -> None:
    for analysed in everything().values():
        stored = registry.stored_result(analysed.to_dict())
        assert type(stored.result) is type(analysed.result)
        assert stored.to_dict() == analysed.to_dict()


def test_results_are_ordered_as_their_analyses_are_registered() -> None:
    results = everything()
    backwards: dict[str, Analysed] = dict(reversed(results.items()))
    assert registry.ordered(backwards) == [results[name] for name in ("objects", "faces", "labels")]


def test_by_default_a_worker_loads_what_has_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"objects", "faces", "labels"} <= set(registry.default_names())
    replace(monkeypatch, dataclasses.replace(registry.find("faces"), packages=("no-such-package",)))
    assert "faces" not in registry.default_names()
    assert "faces" not in offer.offer(Settings(checkpoints_dir="nowhere")).missing
    assert "faces" in offer.offer(Settings(checkpoints_dir="nowhere", analyses="faces", engine="openvino")).missing


def test_an_analysis_with_a_runtime_of_its_own_runs_whatever_engine_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Model] = []

    def make(model: Model, settings: Settings) -> Analyzer:
        made.append(model)
        return Analyzer.__new__(type("Toy", (Analyzer,), {}))

    replace(monkeypatch, dataclasses.replace(registry.find("faces"), make=make))
    for engine in ("auto", "openvino", "mmdet"):
        offer.analyzer("faces", Settings(engine=engine))
    assert [model.name for model in made] == ["mtcnn"] * 3


def test_an_analysis_can_bring_models_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = 'name = "toy"\ntitle = "Toy"\nanalyzer = "faces"\nloader = "package"\npackage = "rq"\nlicence = "MIT"\n'
    (tmp_path / "models.toml").write_text(f'[[model]]\n{entry}files = ["queue.py"]\n')
    monkeypatch.setattr(catalogue, "ANALYSIS_CATALOGUES", (tmp_path / "models.toml", tmp_path / "none.toml"))
    model = catalogue.load_catalogue()["toy"]
    assert offer.installed(model, tmp_path)
    assert not offer.installed(dataclasses.replace(model, files=("*.onnx",)), tmp_path)
    assert "toy" not in catalogue.load_catalogue(catalogue.CATALOGUE)


def test_without_torch_faces_do_not_run_on_pytorch_though_the_package_with_their_weights_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    make = registry.find("faces").make_pytorch
    assert make is not None
    assert make(catalogue.load_catalogue()["mtcnn"], Settings()) is None
