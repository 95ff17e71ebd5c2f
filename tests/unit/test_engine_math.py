"""The engine's arithmetic is that of torchvision, mmcv and MMDetection."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import batched_nms
from mmdet.core.bbox.coder.delta_xywh_bbox_coder import delta2bbox
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torchvision.ops import roi_align as reference_roi_align

from app.vision.analyses.objects.boxes import best, decode_deltas, grid_anchors, suppress
from app.vision.analyses.objects.preprocess import prepare
from app.vision.analyses.objects.roi_align import assign_levels, pool_levels, roi_align
from app.vision.analyses.objects.spec import PoolSpec, Preprocessing

HEIGHT, WIDTH = 24, 40


def some_boxes(rng: np.random.Generator, count: int, side: float, beyond: float = 0.0) -> np.ndarray:
    corners = rng.uniform(-beyond, side + beyond, (count, 2, 2))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0, 1, 2]), st.sampled_from([1, 7, 14]), st.booleans())
def test_pooled_regions_are_those_of_torchvision(seed: int, sampling: int, size: int, aligned: bool) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(HEIGHT, WIDTH, 8)).astype(np.float32)
    boxes = np.concatenate([some_boxes(rng, 12, WIDTH * 4, beyond=20), some_boxes(rng, 3, 3)])
    out = np.empty((len(boxes), size, size, 8), np.float32)
    roi_align(features, boxes, 4, PoolSpec(size, sampling, (4,), 56.0, aligned), out)
    rois = torch.from_numpy(np.concatenate([np.zeros((len(boxes), 1), np.float32), boxes], axis=1))
    maps = torch.from_numpy(features.transpose(2, 0, 1)[None].copy())
    wanted = reference_roi_align(maps, rois, size, 0.25, sampling, aligned).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(out, wanted, atol=2e-4)


@given(st.integers(0, 10**6))
def test_regions_go_to_the_levels_that_mmdetection_chooses(seed: int) -> None:
    boxes = some_boxes(np.random.default_rng(seed), 50, 1000)
    layer = {"type": "RoIAlign", "output_size": 7, "sampling_ratio": 0}
    extractor = SingleRoIExtractor(layer, 8, [4, 8, 16, 32])
    rois = torch.from_numpy(np.concatenate([np.zeros((50, 1), np.float32), boxes], axis=1))
    assert assign_levels(boxes, 4, 56).tolist() == extractor.map_roi_levels(rois, 4).tolist()


def test_pooling_over_levels_keeps_the_order_of_the_boxes() -> None:
    rng = np.random.default_rng(0)
    pyramid = [rng.normal(size=(HEIGHT // s, WIDTH // s, 4)).astype(np.float32) for s in (1, 2)]
    boxes, spec = some_boxes(rng, 30, 160), PoolSpec(7, 2, (4, 8), 56.0)
    with ThreadPoolExecutor(2) as threads:
        together = pool_levels(pyramid, boxes, spec, threads, 4)
        single = [pool_levels(pyramid, box[None], spec, threads, 1)[0] for box in boxes]
    np.testing.assert_array_equal(together, np.stack(single))


@given(st.integers(0, 10**6), st.sampled_from([1, 3]))
def test_decoded_boxes_are_those_of_mmdetection(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = some_boxes(rng, 20, 300)
    deltas = rng.normal(0, 2, (20, 4 * classes)).astype(np.float32)
    means, stds = (0.0, 0.0, 0.0, 0.0), (0.1, 0.1, 0.2, 0.2)
    wanted = delta2bbox(torch.from_numpy(boxes), torch.from_numpy(deltas), means, stds, (200, 300)).numpy()
    decoded = decode_deltas(boxes, deltas, means, stds, (200, 300))
    np.testing.assert_allclose(decoded.reshape(20, -1), wanted, rtol=1e-4, atol=1e-3)


@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.5, 0.7]))
def test_suppression_keeps_what_mmcv_keeps(seed: int, iou: float) -> None:
    rng = np.random.default_rng(seed)
    boxes, scores = some_boxes(rng, 60, 100), rng.random(60).astype(np.float32)
    groups = rng.integers(0, 4, 60)
    tensors = [torch.from_numpy(values) for values in (boxes, scores, groups)]
    _, wanted = batched_nms(*tensors, {"type": "nms", "iou_threshold": iou})
    assert suppress(boxes, scores, groups, iou, 50).tolist() == wanted[:50].tolist()


def test_suppression_of_nothing_is_nothing() -> None:
    empty = np.zeros((0, 4), np.float32)
    assert len(suppress(empty, empty[:, 0], np.zeros(0, int), 0.5, 10)) == 0


@given(st.lists(st.floats(0, 1, width=32), max_size=50), st.integers(1, 60))
def test_the_best_scores_come_first(values: list[float], count: int) -> None:
    scores = np.array(values, np.float32)
    chosen = scores[best(scores, count)] if len(scores) > count else scores
    assert sorted(chosen, reverse=True) == sorted(scores, reverse=True)[:count]


def test_anchors_stand_on_the_cells_of_their_level() -> None:
    base = np.array([[-8, -8, 8, 8], [-4, -16, 4, 16]], np.float32)
    anchors = grid_anchors(base, (16, 16), 5, np.array([0, 1, 13]))
    assert anchors.tolist() == [[-8, -8, 8, 8], [-4, -16, 4, 16], [12, 0, 20, 32]]


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_prepared_photo_is_within_the_scale_and_padded_to_the_divisor(height: int, width: int) -> None:
    spec = Preprocessing((96, 64), (100.0, 110.0, 120.0), (1.0, 2.0, 4.0), True, 32)
    image, shape, scale = prepare(np.full((height, width, 3), 120, np.uint8), spec)
    assert image.shape[2] % 32 == image.shape[3] % 32 == 0
    assert max(shape) <= 96
    assert min(shape) <= 64
    np.testing.assert_allclose(image[0, :, 0, 0], [20, 5, 0], atol=1e-5)
    assert not image[0, :, shape[0] :].any()
    assert not image[0, :, :, shape[1] :].any()
    np.testing.assert_allclose(scale, [shape[1] / width, shape[0] / height] * 2, rtol=1e-6)
