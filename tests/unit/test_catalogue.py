"""The catalogue of models: the one that ships, and entries that cannot be used."""

import re
import tomllib
from pathlib import Path

import pytest

from app.config.analyses import ANALYSES
from app.vision.catalogue.checkpoints import verify
from app.vision.catalogue.models import CATALOGUE, CONFIGS, CatalogueError, load_catalogue
from app.vision.coco import CLASSES
from tests.conftest import ROOT

ENTRY = {
    "name": "mine",
    "title": "My model",
    "analyzer": "objects",
    "loader": "mmdet",
    "licence": "MIT",
    "config": "mine.py",
    "file": "mine.pth",
    "labels": ["cat", "dog"],
}


def write(folder: Path, *entries: dict[str, object]) -> Path:
    """A catalogue with its config file beside it."""
    (folder / "mine.py").write_text("model = {}\n")
    lines = ["[[model]]\n" + "\n".join(f"{key} = {value!r}" for key, value in entry.items()) for entry in entries]
    path = folder / "models.toml"
    path.write_text("\n\n".join(lines))
    return path


def test_the_main_model_is_the_published_one() -> None:
    model = load_catalogue()["mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco"]
    assert model.sources[0].startswith("https://download.openmmlab.com/mmdetection/v2.0/mask_rcnn/")
    assert model.file == model.sources[0].rsplit("/", 1)[-1]
    assert model.file.endswith(f"-{model.sha256}.pth")
    assert (model.box_ap, model.mask_ap) == (40.8, 37.0)
    assert model.config == CONFIGS / "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco.py"
    assert model.classes == CLASSES
    assert len(model.classes) == 80


def test_the_main_model_is_preferred_and_the_starter_is_the_last_resort() -> None:
    ranks = {m.name: m.rank for m in load_catalogue().values() if m.analyzer == "objects"}
    assert max(ranks, key=lambda name: ranks[name]) == "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco"
    assert min(ranks.values()) == ranks["starter"] == 0


def test_the_starter_is_in_the_repository_and_says_what_it_is() -> None:
    model = load_catalogue()["starter"]
    path = model.path(ROOT / "checkpoints")
    assert path is not None
    assert verify(path, model) == model.sha256
    assert model.size is not None
    assert model.size <= 20e6
    assert "small model" in model.note
    assert "`make weights`" in model.note
    assert "\n" not in model.note


def test_every_analysis_has_a_model_that_needs_no_fetching() -> None:
    ready = {model.analyzer for model in load_catalogue().values() if not model.sources}
    assert ready == set(ANALYSES)


def test_one_entry_adds_a_model(tmp_path: Path) -> None:
    model = load_catalogue(write(tmp_path, ENTRY))["mine"]
    assert model.config == tmp_path / "mine.py"
    assert model.classes == ("cat", "dog")
    assert model.path(tmp_path) == tmp_path / "mine.pth"


def test_the_files_name_is_the_end_of_its_address(tmp_path: Path) -> None:
    entry = {key: value for key, value in ENTRY.items() if key != "file"}
    url = "https://example.org/models/a%20b-0123abcd.pth?download=1"
    assert load_catalogue(write(tmp_path, {**entry, "sources": [url]}))["mine"].file == "a b-0123abcd.pth"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"analyser": "objects"}, "'analyser' is not a known key"),
        ({"title": ""}, "'title' is missing"),
        ({"analyzer": "cats"}, f"analyzer must be one of {', '.join(ANALYSES)}"),
        ({"loader": "keras"}, "loader must be one of mmdet, torchvision, package"),
        ({"config": "gone.py"}, "config must name an MMDetection config file"),
        ({"file": "../../etc/passwd"}, "file must be a plain file name"),
        ({"file": ""}, "sources or file must say where the weights are"),
        ({"sources": "https://example.org/a.pth"}, "sources must be a list of addresses"),
        ({"sources": ["weights/a.pth"]}, "sources must be a list of addresses"),
        ({"sha256": "42AA"}, "sha256 must be lower-case hexadecimal digits"),
        ({"labels": "pets"}, "labels must be coco, imagenet, checkpoint or a list"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(CatalogueError, match=message) as caught:
        load_catalogue(write(tmp_path, {**ENTRY, **change}))
    assert str(caught.value).startswith("In model 'mine' of models.toml")


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="two models named 'mine'"):
        load_catalogue(write(tmp_path, ENTRY, ENTRY))


@pytest.mark.parametrize("text", ["[[model]\n", "\x00", None])
def test_a_broken_catalogue_is_a_clear_error(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "models.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CatalogueError, match="cannot be read"):
        load_catalogue(path)


def test_the_catalogue_explains_each_of_its_keys() -> None:
    text = CATALOGUE.read_text()
    head = text[: text.index("[[model]]")]
    used = {key for entry in tomllib.loads(text)["model"] for key in entry}
    assert used <= set(re.findall(r"\w+", head))
