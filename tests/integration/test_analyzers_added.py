"""Detectors that somebody adds: by one catalogue entry, or by their name in MMDetection's zoo."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import mmcv
import numpy as np
import pytest

from app.config.settings import Settings
from app.vision.analyses import offer as offers
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue import fetch as weights_command
from app.vision.catalogue import models as catalogue
from app.vision.catalogue import zoo
from app.vision.coco import CLASSES
from tests.conftest import ROOT
from tests.fixtures.weights import write_checkpoint
from tests.http_server import reply, serving

Writer = Callable[[str], tuple[Path, bytes]]


@pytest.fixture
def light(tmp_path: Path) -> Writer:
    """Makes a light variant of a config of the zoo, for small inputs, and weights for it."""

    def write(name: str) -> tuple[Path, bytes]:
        folder = zoo.zoo_folder()
        assert folder is not None
        cfg = mmcv.Config.fromfile(str(folder / "configs" / f"{name}.py"))
        cfg.merge_from_dict(
            {"model": {"backbone": {"depth": 18}, "neck": {"in_channels": [64, 128, 256, 512], "out_channels": 64}}}
        )
        for head in ("rpn_head", "bbox_head"):
            if head in cfg.model:
                cfg.model[head].update(in_channels=64, feat_channels=64)
        if "roi_head" in cfg.model:
            cfg.model.roi_head.bbox_roi_extractor.out_channels = 64
            cfg.model.roi_head.bbox_head.update(in_channels=64, fc_out_channels=64)
        cfg.data.test.pipeline[1].img_scale = (256, 160)
        made = tmp_path / "made"
        made.mkdir()
        config = made / f"{name.split('/')[-1]}.py"
        test = {"test": cfg.data.test.to_dict()}
        config.write_text(f"model = {cfg.model.to_dict()!r}\ndata = {test!r}\ndataset_type = 'CocoDataset'\n")
        return config, write_checkpoint(config, made / "weights.pth").read_bytes()

    return write


def analyse(settings: Settings) -> tuple[Instances, str]:
    """What the objects analyzer finds in a made-up photo, and its model's name."""
    offer = offers.offer(settings)
    offer.load("cpu")
    assert offer.missing == {}
    detector = offer.analyzers["objects"]
    result = detector.analyse(np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)).result
    assert isinstance(result, Instances)
    return result, detector.card.model


def test_one_catalogue_entry_adds_a_detector_of_boxes(
    tmp_path: Path, light: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, weights = light("faster_rcnn/faster_rcnn_r50_fpn_1x_coco")
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "mine.pth").write_bytes(weights)
    (config.parent / "models.toml").write_text(
        '[[model]]\nname = "mine"\ntitle = "Mine"\nanalyzer = "objects"\nloader = "mmdet"\nlicence = "MIT"\n'
        f'config = "{config.name}"\nfile = "mine.pth"\nlabels = "checkpoint"\n'
    )
    monkeypatch.setattr(catalogue, "CATALOGUE", config.parent / "models.toml")
    result, model = analyse(Settings(checkpoints_dir=str(checkpoints), analyses="objects", engine="mmdet"))
    assert model == "mine"
    assert len(result) >= 10
    assert result.masks is None
    assert result.classes == CLASSES


def test_a_model_of_the_zoo_is_fetched_by_name_and_serves(
    tmp_path: Path, light: Writer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a zoo of one small model, and a server that has its weights, everything else is as it is."""
    config, weights = light("retinanet/retinanet_r50_fpn_1x_coco")
    root, checkpoints = tmp_path / "mim", tmp_path / "checkpoints"
    (root / "configs").mkdir(parents=True)
    shutil.copy(config, root / "configs" / "tiny.py")
    checkpoints.mkdir()
    shutil.copy(ROOT / "checkpoints" / "starter.pth", checkpoints)
    settings = Settings(checkpoints_dir=str(checkpoints), analyses="objects", engine="mmdet")
    monkeypatch.setattr(zoo, "zoo_folder", lambda: root)
    monkeypatch.setattr(weights_command.Settings, "from_env", classmethod(lambda cls: settings))
    with serving(lambda seen, handler: reply(handler, 200, weights)) as server:
        url = f"http://127.0.0.1:{server.port}/tiny-{hashlib.sha256(weights).hexdigest()[:8]}.pth"
        (root / "model-index.yml").write_text("Import:\n  - configs/metafile.yml\n")
        (root / "configs/metafile.yml").write_text(
            "Models:\n- Name: tiny\n  In Collection: RetinaNet\n  Config: configs/tiny.py\n  Results:\n"
            "  - {Task: Object Detection, Dataset: COCO, Metrics: {box AP: 1.5}}\n"
            f"  Weights: {url}\n"
        )
        assert weights_command.main(["tiny"]) == 0
    assert "To serve it: MODEL=tiny" in capsys.readouterr().out
    # It is better than the starter, so it serves without being named.
    result, model = analyse(settings)
    assert model == "tiny"
    assert len(result) >= 10
    assert result.masks is None
