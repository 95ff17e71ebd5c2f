"""Masks against pycocotools, on shapes that hypothesis makes up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from app.vision import masks
from app.vision.rows import RLE


def bitmaps(most: int = 12) -> st.SearchStrategy[np.ndarray]:
    sides = st.tuples(st.integers(1, most), st.integers(1, most))
    return sides.flatmap(lambda size: hnp.arrays(bool, size))


@st.composite
def placed_crops(draw: st.DrawFn) -> tuple[np.ndarray, int, int, tuple[int, int]]:
    crop = draw(bitmaps())
    left, top, right, bottom = (draw(st.integers(0, 9)) for _ in range(4))
    return crop, left, top, (top + crop.shape[0] + bottom, left + crop.shape[1] + right)


def whole(crop: np.ndarray, x: int, y: int, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return mask


def reference(mask: np.ndarray) -> RLE:
    packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return RLE((mask.shape[0], mask.shape[1]), packed["counts"].decode())


def rasterise(polygons: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    flat = [np.concatenate([p, p[:2]]).ravel().tolist() for p in polygons]
    return coco.decode(coco.merge(coco.frPyObjects(flat, *size)))


@given(placed_crops())
def test_a_crop_is_encoded_byte_for_byte_as_pycocotools_encodes_the_whole_mask(
    placed: tuple[np.ndarray, int, int, tuple[int, int]],
) -> None:
    assert masks.encode(*placed) == reference(whole(*placed))


@given(placed_crops())
def test_decoding_gives_the_mask_back(placed: tuple[np.ndarray, int, int, tuple[int, int]]) -> None:
    rle = masks.encode(*placed)
    assert (masks.decode(rle) == whole(*placed)).all()


@given(placed_crops())
def test_the_decoded_crop_is_the_smallest_that_holds_the_mask(
    placed: tuple[np.ndarray, int, int, tuple[int, int]],
) -> None:
    rle = masks.encode(*placed)
    x, y, crop = masks.decode_crop(rle)
    assert (whole(crop, x, y, placed[3]) == whole(*placed)).all()
    assert crop.dtype == bool
    assert masks.bounds(rle) == (x, y, crop.shape[1], crop.shape[0])
    box = coco.toBbox(rle.to_coco())
    assert (x, y, crop.shape[1], crop.shape[0]) == tuple(box.astype(int))


@given(bitmaps())
def test_the_area_is_the_number_of_pixels(mask: np.ndarray) -> None:
    assert masks.area(reference(mask)) == mask.sum() == coco.area(reference(mask).to_coco())


@given(bitmaps())
def test_outlines_and_holes_cover_exactly_the_mask(mask: np.ndarray) -> None:
    found = masks.components(reference(mask))
    inside = sum(masks.ring_area(p.outline) - sum(masks.ring_area(h) for h in p.holes) for p in found)
    assert inside == mask.sum()


@given(bitmaps())
def test_polygons_are_drawn_by_pycocotools_as_the_very_mask(mask: np.ndarray) -> None:
    found = masks.polygons(reference(mask))
    assert all(p.shape[1] == 2 and len(p) >= 4 for p in found)
    drawn = rasterise(found, mask.shape) if found else np.zeros(mask.shape)
    assert (drawn == mask).all()


@given(bitmaps())
def test_polygons_of_a_mask_are_turned_back_into_the_very_mask(mask: np.ndarray) -> None:
    rle = reference(mask)
    assert masks.from_polygons(masks.polygons(rle), rle.size) == rle


@given(st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 25)), min_size=3, max_size=9))
def test_a_polygon_of_any_shape_covers_the_pixels_whose_middle_is_inside(corners: list[tuple[float, float]]) -> None:
    drawn = masks.decode(masks.from_polygons([np.array(corners)], (20, 18)))
    outline = Path(corners)
    for y, x in np.ndindex(20, 18):
        assert drawn[y, x] == outline.holds(x + 0.5, y + 0.5)


def test_polygons_that_overlap_cover_what_lies_in_either() -> None:
    square = np.array([[0, 0], [4, 0], [4, 4], [0, 4]])
    assert masks.area(masks.from_polygons([square, square + 2], (8, 8))) == 16 + 16 - 4


@given(bitmaps())
def test_what_covers_the_photo_is_a_valid_encoding(mask: np.ndarray) -> None:
    masks.check(reference(mask))


@pytest.mark.parametrize("counts", ["", "1", "P", "0" * 90, "é", "PPPPPPPPPPPPPPPPPPPPPPPPPPPPPP"])
def test_an_encoding_that_does_not_cover_the_photo_is_refused(counts: str) -> None:
    with pytest.raises(ValueError, match="run"):
        masks.check(RLE((7, 5), counts))


@given(st.integers(20, 90), st.integers(20, 90), st.floats(0.75, 6))
def test_simplified_polygons_stay_within_the_tolerance(width: int, height: int, tolerance: float) -> None:
    y, x = np.mgrid[:height, :width]
    disc = ((x - width / 2) / (width / 2)) ** 2 + ((y - height / 2) / (height / 2)) ** 2 <= 1
    exact, simple = (masks.polygons(reference(disc), t)[0] for t in (0.0, tolerance))
    assert len(simple) < len(exact)
    edges = np.stack([simple, np.roll(simple, -1, 0)], 1)
    for point in exact:
        assert min(_distance(point, a, b) for a, b in edges) <= 1.71 * tolerance


def test_a_line_thinner_than_the_tolerance_is_not_lost() -> None:
    frame = np.ones((64, 64), bool)
    frame[1:-1, 1:-1] = False
    (part,) = masks.components(reference(frame), 6)
    assert masks.ring_area(part.outline) - masks.ring_area(part.holes[0]) == frame.sum()


def test_a_ring_too_small_to_simplify_keeps_its_shape() -> None:
    mask = np.zeros((5, 9), bool)
    mask[2, 1:8] = True
    (polygon,) = masks.polygons(reference(mask), 2.0)
    assert masks.ring_area(polygon) == 7


def test_a_hole_stays_free_in_a_polygon_of_one_piece() -> None:
    mask = np.ones((9, 9), bool)
    mask[3:6, 3:6] = False
    (polygon,) = masks.polygons(reference(mask))
    assert (rasterise([polygon], (9, 9)) == mask).all()


def test_an_empty_mask_has_no_area_and_no_outline() -> None:
    rle = masks.encode(np.zeros((0, 0), bool), 3, 2, (10, 10))
    assert rle == reference(np.zeros((10, 10)))
    assert masks.area(rle) == 0
    assert masks.components(rle) == []
    assert masks.decode_crop(rle)[2].shape == (0, 0)


def test_a_mask_of_a_huge_photo_is_encoded_from_its_crop() -> None:
    size = (60_000, 65_000)  # Its bitmap would take 3.9 GB.
    rle = masks.encode(np.ones((2, 3), bool), 64_000, 59_000, size)
    assert masks.bounds(rle) == (64_000, 59_000, 3, 2)


def test_a_crop_that_reaches_over_the_edge_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie within"):
        masks.encode(np.ones((3, 3), bool), 8, 0, (10, 10))


class Path:
    """A closed line through points."""

    def __init__(self, corners: list[tuple[float, float]]) -> None:
        self.edges = list(zip(corners, corners[1:] + corners[:1], strict=True))

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside: an odd number of edges is left of it."""
        crossed = [
            x1 + (y - y1) * (x2 - x1) / (y2 - y1) <= x for (x1, y1), (x2, y2) in self.edges if (y1 <= y) != (y2 <= y)
        ]
        return sum(crossed) % 2 == 1


def _distance(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    along = np.clip(np.dot(point - a, b - a) / max(np.dot(b - a, b - a), 1e-12), 0, 1)
    return float(np.linalg.norm(point - a - along * (b - a)))
