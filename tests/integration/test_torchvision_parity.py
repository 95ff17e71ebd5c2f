"""torchvision's own Mask R-CNN models, MMDetection's network with their weights, and our engine answer alike.

All three get the same input tensors, made from photos. Seeded random weights stand in for published ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmdet.core import bbox2roi

from app.config.settings import Settings
from app.intake import decode
from app.vision.analyses.engines import engine_folder
from app.vision.analyses.objects.blueprint import Blueprint
from app.vision.analyses.objects.mmdet_build import build
from app.vision.analyses.objects.openvino import OpenVINODetector, make
from app.vision.analyses.objects.preprocess import prepare
from app.vision.catalogue.checkpoints import load_weights, sha256_of
from app.vision.catalogue.models import load_catalogue
from app.vision.engine.__main__ import export
from tests.fixtures.torchvision_nets import Detections, detect, random_net

# The smaller the input, and the fewer the regions, the quicker the test; the arithmetic is the same.
SCALE, PHOTOS, REGIONS, OBJECTS = (320, 192), 2, 200, 60
BOX_PIXELS, SCORE, PROBABILITY = 0.5, 1e-3, 1e-3
Input = tuple[torch.Tensor, tuple[int, int]]


@dataclass(frozen=True)
class Answers:
    """What each finds in each input; mmdet_masks, engine_masks: (N, 28, 28) at torchvision's own boxes."""

    torchvision: list[Detections]
    mmdet: list[Detections]
    mmdet_masks: list[np.ndarray]
    engine: list[Detections]
    engine_masks: list[np.ndarray]


@pytest.fixture(scope="module", params=["mask_rcnn_r50_fpn", "mask_rcnn_r50_fpn_v2"])
def answers(request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    folder, model = tmp_path_factory.mktemp("torchvision"), load_catalogue()[request.param]
    assert model.config is not None
    inputs = _inputs(shared_data / "coco" / "eval" / "images", model.config)
    height, width = (max(image.shape[side] for image, _ in inputs) for side in (2, 3))
    padded = [torch.nn.functional.pad(i, (0, width - i.shape[3], 0, height - i.shape[2])) for i, _ in inputs]
    net = random_net(model.name, torch.cat(padded), REGIONS, OBJECTS)
    path = folder / model.file
    torch.save(net.state_dict(), path)
    model = replace(model, sha256=sha256_of(path))
    export(model, folder)
    engine = make(model, engine_folder(model, folder), Settings(precision="f32"))
    engine.load("cpu")
    spec = engine.spec
    proposals, boxes = replace(spec.proposals, limit=REGIONS), replace(spec.boxes, limit=OBJECTS)
    engine.spec = replace(spec, proposals=proposals, boxes=boxes)
    detector = build(mmcv.Config.fromfile(str(model.config)), load_weights(path, model), 0.05).eval()
    detector.rpn_head.test_cfg.max_per_img, detector.roi_head.test_cfg.max_per_img = REGIONS, OBJECTS
    theirs = [detect(net, image, shape) for image, shape in inputs]
    mmdet = [_mmdet(detector, *each, found) for each, found in zip(inputs, theirs, strict=True)]
    ours = [_engine(engine, *each, found) for each, found in zip(inputs, theirs, strict=True)]
    return Answers(theirs, *map(list, zip(*mmdet, strict=True)), *map(list, zip(*ours, strict=True)))


def _inputs(folder: Path, config: Path) -> list[Input]:
    """Network inputs of a few photos."""
    blueprint = Blueprint.read(config)
    assert blueprint is not None
    spec = replace(blueprint.spec.preprocessing, scale=SCALE)
    made = []
    for path in sorted(folder.glob("*.jpg"))[3::9][:PHOTOS]:
        image, shape, _ = prepare(decode(path.read_bytes()), spec)
        made.append((torch.from_numpy(image), shape))
    return made


def _mmdet(
    detector: torch.nn.Module, image: torch.Tensor, shape: tuple[int, int], given: Detections
) -> tuple[Detections, np.ndarray]:
    """What MMDetection finds, and its masks at given boxes."""
    heads, size = detector.roi_head, (*shape, 3)
    metas = [{"img_shape": size, "ori_shape": size, "pad_shape": size, "scale_factor": np.ones(4, np.float32)}]
    with torch.no_grad():
        features = detector.extract_feat(image)
        proposals = detector.rpn_head.simple_test_rpn(features, metas)
        (found,), (labels,) = heads.simple_test_bboxes(features, metas, proposals, heads.test_cfg)

        def masks(boxes: torch.Tensor, classes: torch.Tensor) -> np.ndarray:
            squares = heads._mask_forward(features, bbox2roi([boxes]))["mask_pred"].sigmoid()
            own: np.ndarray = squares[torch.arange(len(classes)), classes].numpy()
            return own

        answer = Detections(found[:, :4].numpy(), found[:, 4].numpy(), labels.numpy(), masks(found[:, :4], labels))
        return answer, masks(torch.from_numpy(given.boxes), torch.from_numpy(given.labels))


def _engine(
    engine: OpenVINODetector, image: torch.Tensor, shape: tuple[int, int], given: Detections
) -> tuple[Detections, np.ndarray]:
    """What the engine finds, and its masks at given boxes."""
    pyramid, proposals = engine.propose(image.numpy(), shape)
    boxes, scores, labels = engine._classify(pyramid, proposals, shape, np.ones(4, np.float32))
    own, at_given = engine._segment(pyramid, boxes, labels), engine._segment(pyramid, given.boxes, given.labels)
    assert own is not None
    assert at_given is not None
    return Detections(boxes, scores, labels, own), at_given


def differences(reference: Sequence[Detections], others: Sequence[Detections]) -> np.ndarray:
    """(N, 3) of every instance of the reference and the nearest of its class: pixels, score, mask probability."""
    rows = []
    for one, other in zip(reference, others, strict=True):
        assert len(one.boxes) == len(other.boxes)
        for box, score, label, mask in zip(one.boxes, one.scores, one.labels, one.masks, strict=True):
            same = np.flatnonzero(other.labels == label)
            pixels = np.abs(other.boxes[same] - box).max(axis=1)
            at = same[pixels.argmin()]
            rows.append((pixels.min(), abs(other.scores[at] - score), np.abs(other.masks[at] - mask).max()))
    return np.array(rows)


@pytest.mark.parametrize("ours", ["mmdet", "engine"])
def test_boxes_and_scores_are_torchvisions(answers: Answers, ours: str) -> None:
    pixels, scores, _ = differences(answers.torchvision, getattr(answers, ours)).T
    assert len(pixels) == OBJECTS * PHOTOS
    assert pixels.max() <= BOX_PIXELS
    assert scores.max() <= SCORE


@pytest.mark.parametrize("ours", ["mmdet", "engine"])
def test_mask_probabilities_at_the_same_boxes_are_torchvisions(answers: Answers, ours: str) -> None:
    for theirs, masks in zip(answers.torchvision, getattr(answers, f"{ours}_masks"), strict=True):
        assert np.ptp(theirs.masks) > 0.5
        assert np.abs(theirs.masks - masks).max() <= PROBABILITY / 10


@pytest.mark.parametrize(("ours", "share"), [("mmdet", 0.995), ("engine", 0.98)])
def test_mask_probabilities_at_their_own_boxes_are_torchvisions(answers: Answers, ours: str, share: float) -> None:
    """A box that is rounded to another thousandth of a pixel moves what its mask is made from."""
    masks = differences(answers.torchvision, getattr(answers, ours))[:, 2]
    assert np.mean(masks <= PROBABILITY) >= share
    assert masks.max() <= 5 * PROBABILITY
