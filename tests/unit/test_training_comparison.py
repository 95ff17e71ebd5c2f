"""What a model takes for what is counted object by object, and the photos with the worst mistakes are kept as rows."""

from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.coco import CocoData, read_coco
from app.datasets.compared import dump, load
from app.training.comparison import compared, confusion, watched, worst
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.checkpoints import sha256_of
from tests.unit.test_training_data import box, write_folder

# In the photos: a dog at 4, 4 and a cup at 30, 20.
DOG, CUP = (4, 4, 24, 24), (30, 20, 40, 40)
CLASSES = ("cup", "dog", "kite")


def data(folder: Path, *more: dict[str, Any]) -> CocoData:
    """Three photos, of which the first two have a dog and a cup each."""
    objects = [
        box(10 * i + category, image_id=i, category_id=category, bbox=bbox)
        for i in (1, 2)
        for category, bbox in ((3, (4, 4, 20, 20)), (7, (30, 20, 10, 20)))
    ]
    return read_coco(write_folder(folder, [*objects, *more]))


def found(*rows: tuple[str, float, tuple[float, ...]]) -> Instances:
    """Class, score and box of each."""
    return Instances(
        (48, 64),
        CLASSES,
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([CLASSES.index(row[0]) for row in rows], np.int64),
    )


NOTHING = found()
ALL = found(("dog", 0.9, DOG), ("cup", 0.8, CUP))


def test_right_missed_wrong_and_confused_objects_are_told_apart(tmp_path: Path) -> None:
    answers = {
        1: found(("dog", 0.9, DOG), ("dog", 0.8, CUP), ("cup", 0.7, (0, 30, 9, 40))),
        2: found(("dog", 0.4, DOG), ("kite", 0.9, DOG), ("cup", 0.6, CUP)),
        3: NOTHING,
    }
    cells = {(true, name): count for true, name, count in confusion(data(tmp_path), answers)}
    assert cells == {
        ("dog", "dog"): 1,
        ("cup", "dog"): 1,
        ("cup", "cup"): 1,
        (None, "cup"): 1,
        ("dog", None): 1,  # Found below the threshold; and kites are no class of these photos.
    }


def test_an_object_is_matched_once_by_the_closest_box(tmp_path: Path) -> None:
    answers = {1: found(("dog", 0.9, (4, 4, 24, 20)), ("dog", 0.6, DOG), ("cup", 0.9, CUP)), 2: ALL, 3: NOTHING}
    cells = {(true, name): count for true, name, count in confusion(data(tmp_path), answers)}
    assert cells == {("dog", "dog"): 2, ("cup", "cup"): 2, (None, "dog"): 1}


def test_what_is_found_in_a_crowd_is_no_mistake(tmp_path: Path) -> None:
    crowded = data(tmp_path, box(99, image_id=3, bbox=(0, 0, 60, 40), iscrowd=1))
    inside, outside = ("dog", 0.9, (10, 10, 20, 20)), ("dog", 0.9, (0, 41, 60, 48))
    answers = {1: ALL, 2: ALL, 3: found(inside, outside)}
    assert [None, "dog", 1] in confusion(crowded, answers)
    assert [photo.wrong for photo in worst(crowded, answers)] == [1]


def test_the_worst_photos_come_first_and_those_without_a_mistake_not_at_all(tmp_path: Path) -> None:
    photos = data(tmp_path)
    answers = {1: found(("dog", 0.9, DOG)), 2: found(("cup", 0.9, DOG), ("cup", 0.9, (50, 0, 60, 9))), 3: NOTHING}
    worst_first = worst(photos, answers)
    counts = [(photo.name, photo.missed, photo.wrong, photo.confused) for photo in worst_first]
    assert counts == [("2.png", 1, 1, 1), ("1.png", 1, 0, 0)]
    assert worst(photos, {1: ALL, 2: ALL, 3: NOTHING}) == []


def test_watched_photos_have_objects_and_come_back_as_they_were_stored(tmp_path: Path) -> None:
    chosen = watched(data(tmp_path))
    assert [sample.path.name for sample in chosen.samples] == ["1.png", "2.png"]
    answers = {1: ALL, 2: NOTHING}
    first, second = load(dump(compared(chosen, answers, {1: NOTHING, 2: ALL})))
    assert first.sha256 == sha256_of(tmp_path / "images" / "1.png")
    assert {layer: each.names for layer, each in first.layers.items()} == {
        "truth": ["dog", "cup"],
        "trained": ["dog", "cup"],
        "base": [],
    }
    assert second.size == (48, 64)
    assert first.colours.classes == second.colours.classes
    assert list(first.colours.classes) == ["dog", "cup"]
    assert set(compared(chosen, answers)[0].layers) == {"truth", "trained"}
