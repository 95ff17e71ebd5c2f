"""COCO folders are checked file by file before anything is trained."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from app.datasets.annotations import draw_outline
from app.datasets.coco import read_coco, split
from app.datasets.errors import DataError
from app.vision import masks


def write_folder(folder: Path, annotations: list[dict[str, Any]], photos: int = 3, **changes: Any) -> Path:
    """A COCO folder of grey 64 x 48 photos with two classes."""
    (folder / "images").mkdir(parents=True)
    images = []
    for i in range(1, photos + 1):
        Image.new("RGB", (64, 48), (90, 90, 90)).save(folder / "images" / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 48})
    categories = [{"id": 7, "name": "cup"}, {"id": 3, "name": "dog"}]
    truth = {"images": images, "categories": categories, "annotations": annotations, **changes}
    (folder / "instances.json").write_text(json.dumps(truth))
    return folder


def box(
    id: int = 1, image_id: Any = 1, category_id: Any = 3, bbox: Any = (4, 4, 20, 20), **more: Any
) -> dict[str, Any]:
    return {"id": id, "image_id": image_id, "category_id": category_id, "bbox": list(bbox), **more}


def test_classes_follow_the_order_of_category_ids(tmp_path: Path) -> None:
    data = read_coco(write_folder(tmp_path, [box(), box(2, category_id=7)]))
    assert data.classes == ("dog", "cup")
    assert data.samples[0].labels.tolist() == [0, 1]
    assert data.samples[0].boxes.tolist() == [[4, 4, 24, 24], [4, 4, 24, 24]]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (box(category_id=99), "1.png: annotation 1 has the unknown category 99"),
        (box(bbox=(50, 4, 30, 20)), "1.png: annotation 1 has a box outside the 64 x 48 photo"),
        (box(bbox=(5, 5, 0, 4)), "1.png: annotation 1 has an empty box"),
        (box(bbox=(5, 5)), "1.png: annotation 1 has no box"),
        (box(bbox=(5, 5, "7", None)), "1.png: annotation 1 has no box"),
        (
            box(segmentation=[[1, 1, 5, 5]]),
            "1.png: annotation 1 has an outline that is not a list of at least three points",
        ),
        (
            box(segmentation=[[1, 1, 5, 5, 9, 9, 3]]),
            "1.png: annotation 1 has an outline that is not a list of at least three points",
        ),
        (box(bbox=(10**400, 4, 20, 20)), "1.png: annotation 1 has no box"),
        (box(segmentation=[[4, 4, 1e9, 4, 24, 24]]), "1.png: annotation 1 has an outline outside the 64 x 48 photo"),
        (box(segmentation=[[4, 4, 24, 4, 24, 51]]), "1.png: annotation 1 has an outline outside the 64 x 48 photo"),
        (
            box(segmentation={"size": [64, 48], "counts": [64 * 48]}),
            "1.png: annotation 1 has a mask of another size than the photo",
        ),
        (box(segmentation={"size": [48, 64], "counts": [5, 7]}), "1.png: annotation 1 has a broken mask"),
        (box(segmentation={"size": [48, 64], "counts": "05§"}), "1.png: annotation 1 has a broken mask"),
        (box(image_id=12), "annotation 1: its photo 12 is not listed"),
    ],
)
def test_a_bad_annotation_is_named(tmp_path: Path, bad: dict[str, Any], said: str) -> None:
    folder = write_folder(tmp_path, [bad, box(2)])
    with pytest.raises(DataError) as refused:
        read_coco(folder)
    assert refused.value.problems == [said]
    kept = read_coco(folder, skip_bad=True)
    assert kept.problems == (said,)
    assert sum(len(sample.boxes) for sample in kept.samples) == 1


def test_a_second_photo_with_the_same_id_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [box()])
    truth = json.loads((folder / "instances.json").read_text())
    truth["images"][1]["id"] = 1
    (folder / "instances.json").write_text(json.dumps(truth))
    with pytest.raises(DataError) as refused:
        read_coco(folder)
    assert refused.value.problems == ["2.png: another photo has its id 1"]


@pytest.mark.parametrize("changes", [{"images": [{"id": 1}]}, {"categories": [{"id": 1}]}, {"images": [3]}])
def test_a_file_whose_entries_lack_something_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"not in COCO format: one of its (images|categories) lacks"):
        read_coco(write_folder(tmp_path, [box()], **changes))


@pytest.mark.parametrize("packed", [True, False])
def test_masks_are_read_like_outlines(tmp_path: Path, packed: bool) -> None:
    """As a bitmap of the photo, packed as this program exports it or as plain counts."""
    bitmap = np.zeros((48, 64), np.uint8)
    bitmap[10:30, 8:40] = 1
    rle = masks.from_bitmap(bitmap)
    counts = rle.counts if packed else masks.run_lengths(rle.counts).tolist()
    folder = write_folder(tmp_path, [box(segmentation={"size": [48, 64], "counts": counts})])
    sample = read_coco(folder).samples[0]
    assert sample.outlines == (rle,)
    drawn = np.zeros((24, 32), np.uint8)
    draw_outline(rle, (48, 64), drawn)
    assert np.array_equal(drawn, bitmap[::2, ::2])


def test_a_painted_mask_of_cvat_is_an_object_though_marked_as_a_crowd(tmp_path: Path) -> None:
    painted = box(segmentation={"size": [48, 64], "counts": [100, 50, 48 * 64 - 150]}, iscrowd=1)
    folder = write_folder(tmp_path, [painted, box(2)])
    assert [len(read_coco(folder).samples[0].boxes), len(read_coco(folder).samples[0].ignored)] == [1, 1]
    (folder / "annotations").mkdir()
    (folder / "instances.json").rename(folder / "annotations" / "instances_default.json")
    assert [len(read_coco(folder).samples[0].boxes), len(read_coco(folder).samples[0].ignored)] == [2, 0]


def test_a_folder_with_only_crowds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="All of its objects are marked as crowds"):
        read_coco(write_folder(tmp_path, [box(iscrowd=1)]))


def test_missing_broken_and_wrongly_sized_photos_are_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [box(i, image_id=i) for i in (1, 2, 3, 4)], photos=4)
    (folder / "images" / "1.png").unlink()
    (folder / "images" / "2.png").write_bytes(b"<html>not a photo</html>")
    Image.new("RGB", (10, 10)).save(folder / "images" / "3.png")
    with pytest.raises(DataError) as refused:
        read_coco(folder)
    assert refused.value.problems == [
        "1.png: the photo is missing",
        "2.png: the file is not a readable photo",
        "3.png: the photo is 10 x 10, the annotations are for 64 x 48",
    ]


@pytest.mark.parametrize("changes", [{"images": []}, {"categories": []}, {"images": None}])
def test_an_empty_set_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="empty or not in COCO format"):
        read_coco(write_folder(tmp_path, [box()], **changes))


def test_a_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to learn from"):
        read_coco(write_folder(tmp_path / "a", []))
    with pytest.raises(DataError, match="holds no annotation file"):
        read_coco(tmp_path)


def test_a_photo_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "set", [box()])
    Image.new("RGB", (64, 48)).save(tmp_path / "outside.png")
    truth = json.loads((folder / "instances.json").read_text())
    truth["images"][0]["file_name"] = "../../outside.png"
    (folder / "instances.json").write_text(json.dumps(truth))
    with pytest.raises(DataError) as refused:
        read_coco(folder)
    assert refused.value.problems == ["../../outside.png: the photo is missing"]


@pytest.mark.parametrize(
    ("annotations", "photos", "prefix"),
    [
        pytest.param("result.json", "images", "images/", id="label studio"),
        pytest.param("annotations/instances_default.json", "images", "", id="cvat"),
        pytest.param("annotations/instances_train2017.json", "train2017", "", id="coco"),
        pytest.param("labels.json", "data", "", id="fiftyone"),
        pytest.param("_annotations.coco.json", ".", "", id="roboflow"),
    ],
)
def test_exports_of_labelling_tools_load_unchanged(tmp_path: Path, annotations: str, photos: str, prefix: str) -> None:
    folder = write_folder(tmp_path, [box(segmentation=[[4, 4, 24, 4, 24, 24]], iscrowd=0), box(2, iscrowd=1)])
    rename(folder, lambda image: f"{prefix}{image['file_name']}")
    (folder / annotations).parent.mkdir(exist_ok=True)
    (folder / "instances.json").rename(folder / annotations)
    (folder / photos).mkdir(exist_ok=True)
    for path in list((folder / "images").iterdir()):
        path.rename(folder / photos / path.name)
    sample = read_coco(folder).samples[0]
    assert sample.outlines == ([[4, 4, 24, 4, 24, 24]],)
    assert len(sample.ignored) == 1


@pytest.mark.parametrize(
    "name",
    [
        "images\\{}",
        "../../label-studio/data/media/upload/4/{}",
        "/data/upload/{}",
        "C:\\photos\\{}",
        "/data/local-files/?d=some%20photos%2F{}",
        "https://labels.example/data/local-files/?d={}",
    ],
)
def test_a_photo_with_a_path_on_another_machine_is_found_by_its_last_part(tmp_path: Path, name: str) -> None:
    folder = write_folder(tmp_path, [box()])
    rename(folder, lambda image: name.format(image["file_name"]))
    assert [sample.path for sample in read_coco(folder).samples] == [folder / f"images/{i}.png" for i in (1, 2, 3)]


def test_a_last_part_shared_by_two_photos_matches_neither(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [box()], photos=2)
    rename(folder, lambda image: f"{image['id']}/1.png")
    with pytest.raises(DataError) as refused:
        read_coco(folder)
    assert refused.value.problems == ["1/1.png: the photo is missing", "2/1.png: the photo is missing"]


def rename(folder: Path, name: Callable[[dict[str, Any]], str]) -> None:
    truth = json.loads((folder / "instances.json").read_text())
    for image in truth["images"]:
        image["file_name"] = name(image)
    (folder / "instances.json").write_text(json.dumps(truth))


def test_integers_written_as_text_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    annotations = [box(image_id="1", category_id="3"), box(2, image_id="2", category_id=7)]
    folder = write_folder(tmp_path, annotations)
    truth = json.loads((folder / "instances.json").read_text())
    for entry in [*truth["images"], *truth["categories"]]:
        entry |= {key: str(value) for key, value in entry.items()}
    (folder / "instances.json").write_text(json.dumps(truth), "utf-8-sig")
    data = read_coco(folder)
    assert data.category_ids == (3, 7)
    assert [(s.image_id, s.labels.tolist()) for s in data.samples] == [(1, [0]), (2, [1]), (3, [])]


@pytest.mark.parametrize("flag", ["0", "0.0", 0.0, False])
def test_an_object_whose_crowd_flag_is_zero_in_any_form_is_not_a_crowd(tmp_path: Path, flag: Any) -> None:
    sample = read_coco(write_folder(tmp_path, [box(iscrowd=flag)])).samples[0]
    assert (len(sample.boxes), len(sample.ignored)) == (1, 0)


@pytest.mark.parametrize("flag", ["1", "1.0", 1.0, True])
def test_an_object_whose_crowd_flag_is_one_in_any_form_is_a_crowd(tmp_path: Path, flag: Any) -> None:
    sample = read_coco(write_folder(tmp_path, [box(iscrowd=flag), box(2)])).samples[0]
    assert (len(sample.boxes), len(sample.ignored)) == (1, 1)


def test_ids_written_as_floating_point_numbers_are_read(tmp_path: Path) -> None:
    data = read_coco(write_folder(tmp_path, [box(image_id=1.0, category_id=3.0), box(2, image_id="2.0")]))
    assert [(s.image_id, s.labels.tolist()) for s in data.samples] == [(1, [0]), (2, [0]), (3, [])]


@pytest.mark.parametrize("text", ["[" * 100_000, f'{{"images": {"9" * 5000}}}', "\xff"])
def test_unreadable_json_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "instances.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"instances\.json cannot be read: "):
        read_coco(tmp_path)


def test_a_file_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [box()], photos=1)
    rename(folder, lambda image: "x" * 5000)
    with pytest.raises(DataError) as refused:
        read_coco(folder)
    assert refused.value.problems == [f"{'x' * 5000}: the file is not a readable photo"]


def test_one_subset_is_read_and_several_are_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [box()])
    (folder / "images").rename(folder / "Train")
    (folder / "images").mkdir()
    (folder / "Train").rename(folder / "images" / "Train")
    (folder / "annotations").mkdir()
    (folder / "instances.json").rename(folder / "annotations" / "instances_Train.json")
    assert len(read_coco(folder).samples) == 3
    (folder / "annotations" / "instances_Test.json").write_text("{}")
    with pytest.raises(DataError, match=r"several annotation files.*: instances_Test.json, instances_Train.json"):
        read_coco(folder)


def test_crowds_of_coco_itself_stay_crowds(tmp_path: Path) -> None:
    crowd = box(segmentation={"size": [48, 64], "counts": [100, 50, 48 * 64 - 150]}, iscrowd=1)
    folder = write_folder(tmp_path, [crowd, box(2)], info={"description": "COCO 2017 Dataset"})
    (folder / "annotations").mkdir()
    (folder / "instances.json").rename(folder / "annotations" / "instances_val2017.json")
    assert len(read_coco(folder).samples[0].ignored) == 1


@pytest.mark.parametrize(
    ("categories", "problem"),
    [
        ([{"id": 3, "name": "dog"}, {"id": 7, "name": "dog"}], "category 7: another has its name 'dog'"),
        ([{"id": 3, "name": "dog"}, {"id": 3, "name": "cup"}], "category 'cup': another has its id 3"),
        ([{"id": 3, "name": "dog"}, {"id": "x", "name": "cup"}], "category 'cup': its id 'x' is not an integer"),
        (
            [{"id": 3, "name": "dog"}, {"id": 2**63, "name": "cup"}],
            f"category 'cup': its id {2**63} is not an integer",
        ),
        ([{"id": 3, "name": "dog"}, {"id": 7, "name": None}], "category 7: it has no name"),
        (
            [{"id": 3, "name": "dog"}, {"id": 7, "name": "c\x7fp"}],
            "category 7: its name 'c\\x7fp' has a character that cannot be shown",
        ),
        (
            [{"id": 3, "name": "dog"}, {"id": 7, "name": "c\ud800p"}],
            "category 7: its name 'c\\ud800p' has a character that cannot be shown",
        ),
    ],
)
def test_categories_without_a_unique_id_and_name_are_named(
    tmp_path: Path, categories: list[dict[str, Any]], problem: str
) -> None:
    with pytest.raises(DataError) as refused:
        read_coco(write_folder(tmp_path, [box()], categories=categories), skip_bad=True)
    assert refused.value.problems == [problem]


def test_unknown_sizes_are_accepted_and_swapped_sides_are_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [box()])
    truth = json.loads((folder / "instances.json").read_text())
    truth["images"][0] |= {"width": None, "height": None}
    truth["images"][1] |= {"width": 48, "height": 64}
    (folder / "instances.json").write_text(json.dumps(truth))
    said = "2.png: the photo is 64 x 48, the annotations are for 48 x 64, its sides swapped"
    assert read_coco(folder, skip_bad=True).problems == (said,)


def test_ids_of_photos_are_integers(tmp_path: Path) -> None:
    photos = [{"id": "../1", "file_name": "1.png"}]
    with pytest.raises(DataError) as refused:
        read_coco(write_folder(tmp_path, [box()], images=photos))
    assert refused.value.problems == ["1.png: its id '../1' is not an integer"]


@given(st.integers(2, 40), st.floats(0, 1), st.integers(0, 5))
def test_a_split_is_complete_disjoint_and_repeatable(count: int, fraction: float, seed: int) -> None:
    data = synthetic(count)
    train, validation = split(data, fraction, seed)
    ids = [{s.image_id for s in part.samples} for part in (train, validation)]
    assert ids[0] | ids[1] == set(range(count))
    assert not ids[0] & ids[1]
    assert ids[0]
    assert ids[1]
    assert {a["image_id"] for a in validation.truth["annotations"]} == ids[1]
    assert [s.image_id for s in split(data, fraction, seed)[1].samples] == [s.image_id for s in validation.samples]


@given(st.integers(1, 12), st.integers(0, 30), st.floats(0, 1), st.integers(0, 5))
def test_both_parts_of_a_split_have_objects_if_two_photos_do(full: int, empty: int, fraction: float, seed: int) -> None:
    assume(full + empty > 1)
    data = synthetic(full + empty)
    nothing = np.zeros((0, 4), np.float32)
    data = data.only([replace(s, boxes=nothing) if i >= full else s for i, s in enumerate(data.samples)])
    train, validation = (sum(len(s.boxes) for s in part.samples) for part in split(data, fraction, seed))
    assert train
    assert validation or full == 1


def synthetic(count: int):
    from app.datasets.coco import CocoData, Sample

    empty = np.zeros((0, 4), np.float32)
    one = np.array([[0, 0, 4, 4]], np.float32)
    samples = tuple(Sample(Path(f"{i}.png"), i, 8, 8, one, np.zeros(1, int), (None,), empty) for i in range(count))
    truth = {
        "images": [{"id": i} for i in range(count)],
        "annotations": [{"id": i, "image_id": i} for i in range(count)],
        "categories": [],
    }
    return CocoData(Path(), truth, ("dog",), (3,), samples)
