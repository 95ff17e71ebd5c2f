"""The analyzers on real weights: what they find, odd photos, and which of them an installation offers."""

import dataclasses
import hashlib
import tracemalloc
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.roi_heads.mask_heads import FCNMaskHead

from app.config.analyses import ANALYSES
from app.config.settings import Settings
from app.intake import decode
from app.vision import masks
from app.vision.analyses import offer as offers
from app.vision.analyses.faces.result import Faces
from app.vision.analyses.labels.result import Labels
from app.vision.analyses.objects.mmdet_masks import MaskEncoder
from app.vision.analyses.objects.pytorch import MMDetector
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import load_catalogue
from app.vision.coco import CLASSES
from app.vision.engine.device import mmcv_device
from tests.conftest import ROOT

MAIN = "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco"
STARTER = ROOT / "checkpoints" / "starter.pth"
SHAPES = [(1, 1), (1, 3000), (3000, 1), (7, 5), (30, 700)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation without network: the starter is all that is in the checkpoints folder."""
    (tmp_path / "starter.pth").symlink_to(STARTER)
    return Settings(checkpoints_dir=str(tmp_path), engine="mmdet", device="cpu")


@pytest.fixture(scope="module")
def loaded() -> offers.Offer:
    """All three analyzers, ready."""
    found = offers.offer(Settings(model="starter", engine="mmdet", device="cpu"))
    found.load("cpu")
    assert not found.missing
    return found


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_without_network_every_analysis_is_offered_and_the_stand_in_says_so(settings: Settings) -> None:
    offer = offers.offer(settings)
    cards = {name: analyzer.card for name, analyzer in offer.analyzers.items()}
    assert offer.missing == {}
    assert {name: card.model for name, card in cards.items()} == {
        "objects": "starter",
        "faces": "mtcnn",
        "labels": "efficientnet_lite0",
        "codes": "zxing",
        "text": "ppocrv6_small",
    }
    assert cards["objects"].checkpoint == hashlib.sha256(STARTER.read_bytes()).hexdigest()
    assert "`make weights`" in cards["objects"].note
    assert all(len(card.checkpoint) == 64 and card.identity for card in cards.values())
    assert "studio_couch" in cards["labels"].classes


def test_only_the_analyses_asked_for_are_offered(settings: Settings) -> None:
    only = dataclasses.replace(settings, analyses="labels,objects")
    assert list(offers.offer(only).analyzers) == ["labels", "objects"]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"model": MAIN}, f"run `make weights MODEL={MAIN}`"),
        ({"model": "yolox_s_8x8_300e_coco"}, "run `make weights MODEL=yolox_s_8x8_300e_coco`"),
        ({"model": "resnet50"}, "`flask models` lists the models that do"),
        ({"model": "mask_rcnn"}, "`flask models --zoo` lists them all"),
    ],
)
def test_what_cannot_be_offered_is_reported_with_the_step_that_adds_it(
    settings: Settings, changes: dict[str, str], step: str
) -> None:
    offer = offers.offer(dataclasses.replace(settings, analyses="objects,faces", **changes))
    assert list(offer.analyzers) == ["faces"]
    assert step in offer.missing["objects"]


def test_what_has_no_engine_is_reported_where_one_is_asked_for(settings: Settings) -> None:
    offer = offers.offer(dataclasses.replace(settings, engine="openvino", analyses="objects,faces,labels"))
    assert not offer.analyzers
    step = "cannot run on ENGINE=openvino here; run `make engine`."
    assert all(sentence.endswith(step) for sentence in offer.missing.values())


def test_an_unknown_analysis_is_reported(settings: Settings) -> None:
    offer = offers.offer(dataclasses.replace(settings, analyses="object"))
    names = ", ".join(ANALYSES)
    assert offer.missing == {"object": f"There is no analysis 'object'; ANALYSES takes {names}."}


def test_a_changed_main_model_makes_way_for_the_starter(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    model = load_catalogue()[MAIN]
    (settings.checkpoints_path / model.file).write_bytes(b"<html>not the weights</html>")
    offer = offers.offer(dataclasses.replace(settings, analyses="objects"))
    assert offer.analyzers["objects"].card.model == "starter"
    assert f"delete it and run `make weights MODEL={MAIN}`" in caplog.text


def test_an_analyzer_whose_weights_do_not_fit_is_reported_and_the_others_load(settings: Settings) -> None:
    offer = offers.offer(dataclasses.replace(settings, analyses="objects,labels"))
    wrong = dataclasses.replace(load_catalogue()["starter"], config=load_catalogue()[MAIN].config)
    offer.analyzers["objects"] = MMDetector(wrong, STARTER)
    offer.load("cpu")
    assert list(offer.analyzers) == ["labels"]
    assert offer.missing["objects"].startswith("The weights do not fit the config")


def test_a_catalogue_entry_with_other_classes_than_the_weights_is_refused() -> None:
    entry = dataclasses.replace(load_catalogue()["starter"], labels=("cat", "dog"))
    with pytest.raises(CheckpointError, match="starter tells 80 classes apart, but 2 are named"):
        MMDetector(entry, STARTER).load("cpu")


def test_class_names_may_come_with_the_weights() -> None:
    detector = MMDetector(dataclasses.replace(load_catalogue()["starter"], labels="checkpoint"), STARTER)
    assert detector.card.classes == ()
    detector.load("cpu")
    assert detector.card.classes == CLASSES


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there_is_a_clear_error(loaded: offers.Offer) -> None:
    with pytest.raises(CheckpointError, match="DEVICE=auto"):
        MMDetector(load_catalogue()["starter"], STARTER).load("cuda")


@pytest.mark.parametrize("shape", SHAPES)
def test_photos_of_any_shape_are_analysed(loaded: offers.Offer, shape: tuple[int, int]) -> None:
    rgb = noise(*shape)
    before = rgb.copy()
    objects, faces, labels = (loaded.analyzers[name].analyse(rgb).result for name in ("objects", "faces", "labels"))
    np.testing.assert_array_equal(rgb, before)
    assert isinstance(objects, Instances)
    assert objects.size == shape
    limit = np.array([shape[1], shape[0]] * 2)
    assert ((objects.boxes >= 0) & (objects.boxes <= limit)).all()
    assert (objects.scores >= 0.05).all()
    assert (np.diff(objects.scores) <= 0).all()
    assert objects.masks is not None
    assert {mask.size for mask in objects.masks} <= {shape}
    assert isinstance(faces, Faces)
    assert faces.landmarks.shape == (len(faces), 5, 2)
    assert isinstance(labels, Labels)
    assert len(set(labels.names)) == 5
    assert list(labels.scores) == sorted(labels.scores, reverse=True)


def test_the_score_floor_is_part_of_a_models_identity(loaded: offers.Offer) -> None:
    model = load_catalogue()["starter"]
    low, usual = MMDetector(model, STARTER, 0.01).card, MMDetector(model, STARTER).card
    assert low.identity != usual.identity
    assert usual.identity == loaded.analyzers["objects"].card.identity


def test_the_starter_finds_people_and_cars(loaded: offers.Offer, shared_data: Path) -> None:
    result = loaded.analyzers["objects"].analyse(decode((shared_data / "seed_photos/street.jpg").read_bytes())).result
    assert isinstance(result, Instances)
    sure = result[result.scores > 0.5]
    assert sure.names.count("car") >= 5
    assert sure.names.count("person") >= 3
    assert result[result.scores > 0.3].names.count("person") >= 6
    assert sure.masks is not None
    for box, mask in zip(sure.boxes, sure.masks, strict=True):
        x, y, w, h = masks.bounds(mask)
        assert 0.2 < masks.area(mask) / np.prod(box[2:] - box[:2]) <= 1.05
        assert (np.abs(np.array([x, y, x + w, y + h]) - box) < np.tile(box[2:] - box[:2], 2) / 2).all()


def test_faces_are_found_where_people_marked_them(loaded: offers.Offer, shared_data: Path) -> None:
    folder = shared_data / "faces/examples/faces"
    marked = found = extra = 0
    for image in ElementTree.parse(folder / "training.xml").getroot().iter("image"):
        result = loaded.analyzers["faces"].analyse(decode((folder / image.attrib["file"]).read_bytes())).result
        assert isinstance(result, Faces)
        truth = [
            tuple(float(box.attrib[key]) for key in ("left", "top", "width", "height")) for box in image.iter("box")
        ]
        centres = (result.boxes[:, :2] + result.boxes[:, 2:]) / 2
        hits = [((centres > (x, y)) & (centres < (x + w, y + h))).all(1).any() for x, y, w, h in truth]
        marked, found, extra = marked + len(hits), found + sum(hits), extra + max(0, len(result) - sum(hits))
        left_eye, right_eye, nose, left_mouth, right_mouth = result.landmarks.transpose(1, 0, 2)
        assert (left_eye[:, 0] < right_eye[:, 0]).all()
        assert (left_mouth[:, 0] < right_mouth[:, 0]).all()
        assert (nose[:, 1] < (left_mouth + right_mouth)[:, 1] / 2).all()
        assert ((result.landmarks >= result.boxes[:, None, :2]) & (result.landmarks <= result.boxes[:, None, 2:])).all()
    assert found >= 0.9 * marked
    assert extra <= 0.1 * marked


def test_faces_of_a_large_photo_are_in_its_own_pixels(loaded: offers.Offer, shared_data: Path) -> None:
    rgb = decode((shared_data / "faces/examples/faces/2008_001009.jpg").read_bytes())
    large = rgb.repeat(5, axis=0).repeat(5, axis=1)
    small, big = (loaded.analyzers["faces"].analyse(photo).result for photo in (rgb, large))
    assert isinstance(small, Faces)
    assert isinstance(big, Faces)
    assert len(small) == len(big) == 2
    # A face is not found to the pixel again, but at its place.
    np.testing.assert_allclose(big.boxes / 5, small.boxes, atol=12)


def test_labels_name_what_photos_show(loaded: offers.Offer, shared_data: Path) -> None:
    files = sorted((shared_data / "imagenet").glob("*.JPEG"))[::4]
    first = five = 0
    for path in files:
        name = path.stem.split("_", 1)[1]
        result = loaded.analyzers["labels"].analyse(decode(path.read_bytes())).result
        assert isinstance(result, Labels)
        first, five = first + (result.names[0] == name), five + (name in result.names)
    assert first >= 0.75 * len(files)
    assert five >= 0.9 * len(files)


def test_masks_of_a_large_photo_never_take_its_full_size_at_once() -> None:
    head = FCNMaskHead(num_convs=1, in_channels=4, conv_out_channels=4, num_classes=2)
    encoder = MaskEncoder(torch.nn.Sequential(head))
    size, n = (5000, 8000), 4
    boxes = torch.tensor([[0.0, 0.0, 8000.0, 5000.0]]).repeat(n, 1)
    squares = torch.randn(n, 2, 28, 28, generator=torch.Generator().manual_seed(0))
    tracemalloc.start()
    with encoder.at(size):
        config = type("Config", (), {"mask_thr_binary": 0.5})
        found = head.get_seg_masks(squares, boxes, torch.tensor([0, 1, 1, 0]), config, size, np.ones(4), True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(of_class) for of_class in found] == [2, 2]
    assert peak < 300e6
    assert 0.2 < masks.area(found[0][0]) / (size[0] * size[1]) < 0.8


def test_a_box_beyond_the_photo_has_an_empty_mask() -> None:
    head = FCNMaskHead(num_convs=1, in_channels=4, conv_out_channels=4, num_classes=1, class_agnostic=True)
    encoder = MaskEncoder(torch.nn.Sequential(head))
    config = type("Config", (), {"mask_thr_binary": 0.5})
    with encoder.at((100, 80)):
        box = torch.tensor([[90.0, 120.0, 95.0, 130.0]])
        (mask,), *_ = head.get_seg_masks(torch.ones(1, 1, 28, 28), box, torch.tensor([0]), config, (), 1.0, True)
    assert mask.size == (100, 80)
    assert masks.area(mask) == 0


def test_masks_without_boxes_get_them_from_their_outlines(loaded: offers.Offer) -> None:
    detector = loaded.analyzers["objects"]
    assert isinstance(detector, MMDetector)
    bitmap = np.zeros((40, 60), bool)
    bitmap[10:20, 5:50] = True
    nothing = np.zeros((0, 5), np.float32)
    answer = ([np.array([[0, 0, 0, 0, 0.9]], np.float32), nothing], [[bitmap], []])
    result = detector._instances(answer, (40, 60))
    assert result.boxes.tolist() == [[5, 10, 50, 20]]


@pytest.mark.parametrize(("built", "device"), [(True, "cuda"), (False, "cpu")])
def test_a_gpu_is_used_where_the_operations_were_built_for_it(
    monkeypatch: pytest.MonkeyPatch, built: bool, device: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("mmcv.ops.get_compiling_cuda_version", lambda: "12.6" if built else "not available")
    assert mmcv_device("auto").type == device
    assert mmcv_device("cpu").type == "cpu"
    if not built:
        with pytest.raises(CheckpointError, match="FORCE_CUDA=1"):
            mmcv_device("cuda")
