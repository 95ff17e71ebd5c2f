"""Our paths through a detector against MMDetection's own `inference_detector`, on the same photo and file."""

from dataclasses import replace
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
from mmdet.apis import inference_detector, init_detector

from app.config.settings import Settings
from app.intake import decode
from app.vision import masks
from app.vision.analyses.engines import engine_folder
from app.vision.analyses.objects.openvino import make
from app.vision.analyses.objects.pytorch import MMDetector
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.checkpoints import sha256_of
from app.vision.catalogue.models import CONFIGS, Model
from app.vision.catalogue.zoo import zoo_folder
from app.vision.engine.__main__ import export
from bench.parity import compare
from tests.conftest import ROOT
from tests.fixtures.weights import write_checkpoint

MAIN = CONFIGS / "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco.py"
FLOOR = 0.02
# The smaller the input, and the fewer the regions, the quicker the test; the arithmetic is the same.
SCALE = (480, 320)
LIGHTER: dict[str, dict[str, object]] = {"backbone": {"depth": 18}, "neck": {"in_channels": [64, 128, 256, 512]}}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo as a PNG, which every reader decodes to the same pixels."""
    rng = np.random.default_rng(5)
    rough = rng.integers(0, 255, (12, 18, 3)).astype(np.uint8)
    bgr = cv2.resize(rough, (531, 357), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y, r = (int(v) for v in rng.integers((0, 0, 15), (531, 357, 70)))
        cv2.circle(bgr, (x, y), r, [int(c) for c in rng.integers(0, 255, 3)], -1, cv2.LINE_AA)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    cv2.imwrite(str(path), bgr)
    return path


def smaller(folder: Path, base: Path, **model: dict[str, object]) -> Path:
    """A config like another one with a smaller input, fewer regions, and other parts of the model."""
    cfg = mmcv.Config.fromfile(str(base))
    cfg.merge_from_dict({"model": model})
    cfg.data.test.pipeline[1].img_scale = SCALE
    if "rpn" in cfg.model.test_cfg:
        cfg.model.test_cfg.rpn.update(nms_pre=300, max_per_img=300)
    path = folder / base.name
    path.write_text(f"model = {cfg.model.to_dict()!r}\ndata = { {'test': cfg.data.test.to_dict()}!r}\n")
    return path


def model_of(config: Path, weights: Path) -> Model:
    """The catalogue entry of weights that lie beside their catalogue."""
    model = Model("generated", "Generated", "objects", "mmdet", "MIT", config, labels="coco")
    return replace(model, file=weights.name, sha256=sha256_of(weights), home=weights.parent)


def ours(config: Path, weights: Path, photo: Path, floor: float) -> Instances:
    detector = MMDetector(model_of(config, weights), weights, floor)
    detector.load("cpu")
    analysed = detector.analyse(decode(photo.read_bytes()))
    assert set(analysed.timings) == {"preprocess", "network", "postprocess"}
    assert all(seconds >= 0 for seconds in analysed.timings.values())
    assert isinstance(analysed.result, Instances)
    return analysed.result


def theirs(config: Path, weights: Path, photo: Path, floor: float) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Boxes with scores (N, 5), labels (N,) and full-size masks of `inference_detector`, best first."""
    two_stage = "rcnn" in config.name
    threshold = {"model.test_cfg.rcnn.score_thr" if two_stage else "model.test_cfg.score_thr": floor}
    net = init_detector(str(config), str(weights), device="cpu", cfg_options=threshold)
    answer = inference_detector(net, str(photo))
    boxes, segments = answer if isinstance(answer, tuple) else (answer, [[] for _ in answer])
    labels = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])
    found = np.concatenate(boxes)
    order = np.argsort(-found[:, 4], kind="stable")
    flat = [mask for of_class in segments for mask in of_class]
    return found[order], labels[order], [flat[i] for i in order] if flat else []


def assert_equal(mine: Instances, other: tuple[np.ndarray, np.ndarray, list[np.ndarray]], min_count: int) -> None:
    found, labels, bitmaps = other
    assert len(mine) == len(found) >= min_count
    assert len(set(mine.names)) >= 5
    np.testing.assert_allclose(mine.boxes, found[:, :4], atol=1e-3)
    np.testing.assert_allclose(mine.scores, found[:, 4], atol=1e-6)
    np.testing.assert_array_equal(mine.labels, labels)
    assert (mine.masks is not None) == bool(bitmaps)
    for rle, bitmap in zip(mine.masks or (), bitmaps, strict=True):
        # Rounding may decide a pixel whose probability is the threshold to seven digits.
        assert (masks.decode(rle).astype(bool) != bitmap).sum() <= 2
    if mine.masks is not None:
        assert len({masks.area(rle) for rle in mine.masks}) > min_count / 2


def test_mask_rcnn_r50_fpn_answers_as_mmdetection_does(tmp_path: Path, photo: Path) -> None:
    config = smaller(tmp_path, MAIN)
    weights = write_checkpoint(config, tmp_path / "weights.pth")
    assert_equal(ours(config, weights, photo, FLOOR), theirs(config, weights, photo, FLOOR), min_count=50)


def test_the_engine_has_boxes_and_masks_of_each_class_as_mmdetection_does(tmp_path: Path, photo: Path) -> None:
    config = smaller(tmp_path, MAIN, **LIGHTER)
    weights = write_checkpoint(config, tmp_path / "weights.pth")
    model = model_of(config, weights)
    export(model, tmp_path)
    engine = make(model, engine_folder(model, tmp_path), Settings(precision="f32", score_floor=FLOOR))
    engine.load("cpu")
    answer = engine.analyse(decode(photo.read_bytes())).result
    assert isinstance(answer, Instances)
    found = compare([(ours(config, weights, photo, FLOOR), answer)])
    assert found["instances"] >= 50
    assert found["matched"] >= 0.99
    assert found["masks_matched"] >= 0.99


def test_the_starter_answers_as_mmdetection_does(photo: Path) -> None:
    config = CONFIGS / "mask_rcnn_efficientnet_lite2_fpn_coco.py"
    weights = ROOT / "checkpoints" / "starter.pth"
    assert_equal(ours(config, weights, photo, 0.01), theirs(config, weights, photo, 0.01), min_count=20)


@pytest.mark.parametrize("name", ["faster_rcnn/faster_rcnn_r50_fpn_1x_coco", "retinanet/retinanet_r50_fpn_1x_coco"])
def test_detectors_without_masks_answer_as_mmdetection_does(tmp_path: Path, photo: Path, name: str) -> None:
    folder = zoo_folder()
    assert folder is not None
    config = smaller(tmp_path, folder / "configs" / f"{name}.py", **LIGHTER)
    weights = write_checkpoint(config, tmp_path / "weights.pth")
    mine = ours(config, weights, photo, FLOOR)
    assert mine.masks is None
    assert_equal(mine, theirs(config, weights, photo, FLOOR), min_count=50)


def test_the_main_config_is_the_zoos() -> None:
    """Written out whole, it says the same as the zoo's, as far as serving goes."""
    folder = zoo_folder()
    assert folder is not None
    mine = mmcv.Config.fromfile(str(MAIN))
    zoo = mmcv.Config.fromfile(str(folder / "configs" / "mask_rcnn" / MAIN.name))
    zoo.model.backbone.pop("init_cfg")
    assert mine.model == zoo.model
    assert mine.data.test.pipeline == zoo.data.test.pipeline
