"""MMDetection's own zoo, and the command that lists models."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner

from app import create_app
from app.config.settings import Settings
from app.queue.services import Services
from app.vision.catalogue import models as catalogue
from app.vision.catalogue.models import CatalogueError, load_catalogue
from app.vision.catalogue.zoo import find_model, load_zoo, zoo_folder

MAIN = "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco"


@pytest.fixture
def runner(tmp_path: Path) -> FlaskCliRunner:
    """Runs `flask` commands with a checkpoints folder that holds one file of the zoo."""
    settings = Settings(data_dir=str(tmp_path / "data"), secret_key="k", checkpoints_dir=str(tmp_path))
    (tmp_path / find_model("retinanet_r50_fpn_1x_coco").file).write_bytes(b"weights")
    return create_app(Services.from_settings(settings)).test_cli_runner()


def test_the_zoo_has_several_hundred_models_each_with_all_that_serving_needs() -> None:
    zoo = load_zoo()
    assert len(zoo) > 400
    for name, model in zoo.items():
        assert model.name == name
        assert model.config is not None
        assert model.config.is_file()
        assert model.sources[0].startswith("https://download.openmmlab.com/")
        assert re.search(r"-([0-9a-f]{8})\.pth$", model.file)
        assert model.file.endswith(f"-{model.sha256}.pth")
        assert model.analyzer == "objects"
        assert model.licence == "Apache-2.0"


def test_the_zoo_knows_published_precision() -> None:
    zoo = load_zoo()
    assert (zoo["retinanet_r50_fpn_1x_coco"].box_ap, zoo["retinanet_r50_fpn_1x_coco"].mask_ap) == (36.5, None)
    assert (zoo["mask_rcnn_r50_fpn_2x_coco"].box_ap, zoo["mask_rcnn_r50_fpn_2x_coco"].mask_ap) == (39.2, 35.4)
    assert sum(model.box_ap is not None or model.mask_ap is not None for model in zoo.values()) > 400


def test_the_zoo_and_the_catalogue_agree_on_the_main_model() -> None:
    ours, zoos = load_catalogue()[MAIN], load_zoo()[MAIN]
    for field in ("sources", "file", "sha256", "box_ap", "mask_ap", "licence", "labels"):
        assert getattr(ours, field) == getattr(zoos, field)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("panoptic_fpn_r50_fpn_1x_coco", "it colours scenes"),
        ("ga_rpn_r50_caffe_fpn_1x_coco", "it only proposes regions"),
        ("ld_r18_gflv1_r101_fpn_coco_1x", "it is built around another model's weights"),
        ("mask_rcnn_convnext-t_p4_w7_fpn_fp16_ms-crop_3x_coco", "its backbone is in another package"),
        ("crpn_fast_rcnn_r50_caffe_fpn_1x_coco", "it is given its regions"),
    ],
)
def test_what_one_checkpoint_cannot_serve_is_left_out(name: str, reason: str) -> None:
    folder = zoo_folder()
    assert folder is not None
    assert any(name in path.read_text() for path in folder.glob("configs/*/metafile.yml"))
    assert name not in load_zoo(), reason


def test_models_for_a_gpu_only_are_known() -> None:
    zoo = load_zoo()
    assert zoo["faster_rcnn_r50_fpn_carafe_1x_coco"].gpu_only
    assert zoo["ga_retinanet_r50_caffe_fpn_1x_coco"].gpu_only
    assert not zoo["mask_rcnn_r50_fpn_1x_coco"].gpu_only


def test_class_names_beyond_coco_come_with_the_checkpoint() -> None:
    model = load_zoo()["mask_rcnn_r50_fpn_random_seesaw_loss_mstrain_2x_lvis_v1"]
    assert (model.labels, model.classes, model.data) == ("checkpoint", (), "LVIS v1")


def test_a_name_is_looked_up_in_the_catalogue_first() -> None:
    assert find_model(MAIN) == load_catalogue()[MAIN]
    assert find_model("resnet50").analyzer == "labels"
    assert find_model("yolox_s_8x8_300e_coco").loader == "mmdet"


@pytest.mark.parametrize("name", ["trained", "trained/", "./trained"])
def test_a_folder_that_a_training_left_is_a_name_where_no_other_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    entry = '[[model]]\nname = "detector"\ntitle = "Mine"\nanalyzer = "objects"\nloader = "mmdet"\nlicence = "none"\n'
    entry += 'config = "detector.py"\nfile = "detector.pth"\nlabels = "coco"\n'
    for folder in (tmp_path / "trained", tmp_path / "starter"):
        folder.mkdir()
        (folder / "detector.py").touch()
        (folder / "models.toml").write_text(entry)
    assert find_model(name).title == "Mine"
    assert find_model("starter") == load_catalogue()["starter"]


def test_an_unknown_name_gets_names_like_it() -> None:
    with pytest.raises(CatalogueError, match="retinanet_r50_fpn_1x_coco") as caught:
        find_model("retinanet_r50_fpn_1x")
    assert "\n" not in str(caught.value)


def test_the_zoo_needs_neither_torch_nor_mmdet() -> None:
    code = (
        "import sys; from app.vision.analyses import offer; assert len(offer.known_models()) > 400;"
        "sys.exit(bool({'torch', 'mmcv', 'mmdet'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=catalogue.ROOT).returncode == 0


def test_flask_models_lists_the_catalogue_and_what_is_installed(runner: FlaskCliRunner) -> None:
    output = runner.invoke(args=["models"]).output
    rows = {line.split()[0]: line for line in output.splitlines() if line}
    assert re.search(r"objects +COCO +40\.8 +37\.0 +\d+ +\d\.\d\d +170 +Apache-2\.0 +to fetch$", rows[MAIN])
    assert re.search(r"objects +COCO +36\.5 +Apache-2\.0 +serving$", rows["retinanet_r50_fpn_1x_coco"])
    assert rows["mtcnn"].endswith("serving")
    assert "faster_rcnn_r50_fpn_1x_coco" not in rows
    assert "flask models --zoo" in output


def test_flask_models_lists_the_whole_zoo_when_asked(runner: FlaskCliRunner) -> None:
    lines = runner.invoke(args=["models", "--zoo"]).output.splitlines()
    assert len(lines) > 400
    row = next(line for line in lines if line.startswith("faster_rcnn_r50_fpn_carafe_1x_coco "))
    assert row.endswith("to fetch, needs a GPU")


def test_flask_models_lists_only_what_is_installed_when_asked(runner: FlaskCliRunner) -> None:
    lines = runner.invoke(args=["models", "--installed"]).output.partition("\n\n")[0].splitlines()[1:]
    *packages, last = [line.split()[0] for line in lines]
    assert {"mtcnn", "efficientnet_lite0"} <= set(packages) <= {m.name for m in load_catalogue().values() if m.package}
    assert last == "retinanet_r50_fpn_1x_coco"
