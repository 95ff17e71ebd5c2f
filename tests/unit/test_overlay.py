"""The browser's JSON against the stored result and the picture made from it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.vision import masks
from app.vision.render.overlay import overlay, rings
from app.vision.render.palette import colour, contrast, rgb
from app.vision.render.picture import annotate
from app.vision.results import Analysed
from app.vision.rows import RLE
from app.vision.view import View
from tests.unit.ground_truth import ground_truth, true_instances
from tests.unit.results import CARD, everything, instances, objects


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def filled(polygons: list[list[int]], size: tuple[int, int]) -> np.ndarray:
    """Rings filled by the even-odd rule as a browser does it: a pixel is in when its middle is."""
    fine = np.zeros((4 * size[0], 4 * size[1]), np.uint8)
    cv2.fillPoly(fine, [4 * np.array(ring).reshape(-1, 2) for ring in polygons], 1)
    return fine[2::4, 2::4].astype(bool)


def test_it_is_plain_json_with_everything_that_a_page_draws() -> None:
    shown = json.loads(json.dumps(overlay(everything())))
    assert (shown["width"], shown["height"]) == (320, 240)
    car, dog, weak = shown["instances"]
    assert [car["id"], dog["id"], weak["id"]] == [0, 1, 2]
    assert (car["class"], car["score"], car["box"]) == ("car", 0.98, [10, 20, 110, 90])
    assert car["colour"] == colour("car")
    assert contrast(car["text_colour"], car["colour"]) >= 4.5
    assert all(isinstance(v, int) for ring in car["polygons"] for v in ring)
    assert weak["score"] == 0.3
    (face,) = shown["faces"]
    assert face["box"] == [180, 80, 230, 140]
    assert len(face["landmarks"]) == 5
    assert shown["labels"][0] == {"name": "sports_car", "score": 0.7}
    assert shown["counts"] == {"car": 2, "dog": 1, "face": 1}
    assert [(c["name"], c["count"]) for c in shown["classes"]] == [("car", 2), ("dog", 1), ("face", 1)]


def test_classes_of_nearly_one_colour_get_others_in_the_overlay_as_in_the_picture() -> None:
    found = objects((100, 200), ("knife", 0.9, (10, 10, 90, 90)), ("apple", 0.8, (110, 10, 190, 90)))
    knife, apple = (entry["colour"] for entry in overlay(found)["instances"])
    assert knife == colour("knife")
    assert apple != colour("apple")
    for hidden, shown in (("apple", knife), ("knife", apple)):
        view = View.from_args({"masks": False, "boxes": True, "labels": False, "exclude": hidden})
        picture = annotate(np.zeros((100, 200, 3), np.uint8), found, view)
        assert {tuple(pixel) for pixel in picture.reshape(-1, 3)} == {(0, 0, 0), rgb(shown)}


def test_a_box_only_model_has_no_polygons() -> None:
    found = instances((50, 50), [("car", 0.9, (5, 5, 40, 40))], masked=False)
    assert overlay({"objects": Analysed(CARD, found)})["instances"][0]["polygons"] == []


def test_nothing_found_is_an_empty_picture_of_the_known_size() -> None:
    shown = overlay({}, (30, 40))
    assert (shown["width"], shown["height"], shown["instances"], shown["counts"]) == (40, 30, [], {})


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.7, 0.98])
def test_browser_and_server_choose_the_same_at_every_threshold(threshold: float) -> None:
    results = everything()
    chosen = [entry["class"] for entry in overlay(results)["instances"] if entry["score"] >= threshold]
    assert chosen == [row.name for row in View(threshold).select(results["objects"].result.rows())]


def test_a_hole_is_left_free_by_the_even_odd_rule() -> None:
    mask = np.zeros((60, 60), bool)
    mask[5:55, 5:55] = True
    mask[20:40, 20:40] = False
    found = rings(masks.from_bitmap(mask))
    assert len(found) == 2
    assert (filled(found, (60, 60)) ^ mask).sum() <= 4 * 50


@pytest.mark.parametrize("mask", [np.eye(1, 40, 5), np.eye(40, 40, 3), np.tri(40, 40, 1) - np.tri(40, 40)])
def test_the_thinnest_masks_keep_an_outline(mask: np.ndarray) -> None:
    mask = np.pad(mask.astype(bool), ((0, 40 - len(mask)), (0, 0)))
    assert iou(filled(rings(masks.from_bitmap(mask)), (40, 40)), mask) > 0.85


def test_outlines_are_those_of_the_stored_masks(shared_data: Path) -> None:
    coco = ground_truth(shared_data / "coco" / "eval" / "instances.json")
    agreement, points = [], 0
    for image in sorted(coco.imgs)[::3]:
        found = true_instances(coco, image)
        entries = overlay({"objects": Analysed(CARD, found)})["instances"]
        for entry, rle in zip(entries, found.masks or (), strict=True):
            points += sum(len(ring) // 2 for ring in entry["polygons"])
            agreement.append(_agreement(entry["polygons"], rle))
    assert len(agreement) > 200
    assert min(agreement) > 0.9
    assert np.mean(agreement) > 0.98
    assert points / len(agreement) < 60


def _agreement(polygons: list[list[int]], rle: RLE) -> float:
    return iou(filled(polygons, rle.size), masks.decode(rle).astype(bool))
