"""torchvision's Mask R-CNN weights under MMDetection's names."""

import re
from pathlib import Path
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from mmdet.models import build_detector
from torchvision.models.detection import maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator

from app.vision import coco
from app.vision.catalogue.checkpoints import CheckpointError, load_weights, sha256_of
from app.vision.catalogue.models import CONFIGS, load_catalogue
from app.vision.catalogue.torchvision_names import to_mmdet

MODELS = {"mask_rcnn_r50_fpn": maskrcnn_resnet50_fpn, "mask_rcnn_r50_fpn_v2": maskrcnn_resnet50_fpn_v2}


def state_of(name: str) -> dict[str, np.ndarray]:
    net = MODELS[name](weights=None, weights_backbone=None)
    return {key: value.numpy() for key, value in net.state_dict().items()}


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_has_its_place_in_mmdetections_network(name: str) -> None:
    state = {key: torch.from_numpy(values) for key, values in to_mmdet(state_of(name)).items()}
    detector = build_detector(mmcv.Config.fromfile(str(CONFIGS / f"{name}.py")).model)
    assert {key: value.shape for key, value in state.items()} == {
        key: value.shape for key, value in detector.state_dict().items()
    }


@pytest.mark.parametrize(("name", "epsilon"), [("mask_rcnn_r50_fpn", 0.0), ("mask_rcnn_r50_fpn_v2", 1e-5)])
def test_norms_divide_as_torchvisions_do(name: str, epsilon: float) -> None:
    detector = build_detector(mmcv.Config.fromfile(str(CONFIGS / f"{name}.py")).model)
    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert {module.eps for module in norms} == {epsilon}


def test_classes_are_in_mmdetections_order_with_the_background_last() -> None:
    ids = np.arange(91, dtype=np.float32)
    heads = {
        "roi_heads.box_predictor.cls_score.bias": ids,
        "roi_heads.box_predictor.bbox_pred.bias": np.repeat(ids, 4),
        "roi_heads.mask_predictor.mask_fcn_logits.weight": ids[:, None, None, None],
    }
    wanted = [coco.IDS[name] for name in coco.CLASSES]
    found = to_mmdet(heads)
    assert found["roi_head.bbox_head.fc_cls.bias"].tolist() == [*wanted, 0]
    assert found["roi_head.bbox_head.fc_reg.bias"].tolist() == np.repeat(wanted, 4).tolist()
    assert found["roi_head.mask_head.conv_logits.weight"][:, 0, 0, 0].tolist() == wanted


def test_names_from_before_torchvision_0_13_mean_the_same() -> None:
    state = state_of("mask_rcnn_r50_fpn")
    old = {}
    for key, values in state.items():
        name = re.sub(r"(fpn\.\w+_blocks\.\d)\.0\.", r"\1.", key).replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        name = re.sub(r"mask_head\.(\d)\.0\.", lambda found: f"mask_head.mask_fcn{int(found[1]) + 1}.", name)
        old[name] = values
    assert "roi_heads.mask_head.mask_fcn4.bias" in old
    assert len(set(old) - set(state)) == 26
    new = to_mmdet(state)
    found = to_mmdet(old)
    assert found.keys() == new.keys()
    assert all(np.array_equal(found[key], new[key]) for key in new)


def test_a_file_of_another_network_or_other_classes_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    entry = load_catalogue()["mask_rcnn_r50_fpn"]
    for state, message in (
        ({"features.0.weight": torch.ones(2)}, r"weights\.pth has features\.0\.weight, which is in none of"),
        ({"roi_heads.box_predictor.cls_score.bias": torch.ones(21)}, "has other classes than the 91 of COCO's ids"),
    ):
        torch.save(state, path)
        known = entry.__class__(**{**entry.__dict__, "sha256": sha256_of(path)})
        with pytest.raises(CheckpointError, match=message):
            load_weights(path, known)


@pytest.mark.parametrize("size", [(800, 1344), (800, 1088), (416, 544)])
def test_anchors_lie_where_torchvisions_do(size: tuple[int, int]) -> None:
    config = mmcv.Config.fromfile(str(CONFIGS / "mask_rcnn_r50_fpn.py"))
    generator = build_detector(config.model).rpn_head.prior_generator
    maps = [(-(-size[0] // stride), -(-size[1] // stride)) for stride in (4, 8, 16, 32, 64)]
    reference = AnchorGenerator(tuple((side,) for side in (32, 64, 128, 256, 512)), ((0.5, 1.0, 2.0),) * 5)
    images = SimpleNamespace(tensors=torch.zeros(1, 3, *size), image_sizes=[size])
    (wanted,) = reference(images, [torch.zeros(1, 1, *shape) for shape in maps])
    assert torch.equal(torch.cat(generator.grid_priors(maps, device="cpu")), wanted)
