"""Exports read back by the formats' own tools, or by their rules where there is none."""

import csv
import io
import json
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools import mask as coco_mask
from torchvision.datasets import VOCDetection

from app.errors import BadRequest
from app.vision import masks
from app.vision.analyses.labels.result import Labels
from app.vision.analyses.objects.result import Instances
from app.vision.export import FORMATS, ExportItem, export
from app.vision.export.table import COLUMNS, _cell
from app.vision.results import Analysed
from app.vision.view import View
from tests.unit.photos import encode, scene
from tests.unit.results import CARD, everything, instances, objects

SIZE = (240, 320)
ALL = View(0.05)


@cache
def photo() -> bytes:
    return encode(scene(320, 240), "PNG")


def item(name: str = "street.jpg", results: dict[str, Analysed] | None = None) -> ExportItem:
    return ExportItem(name, photo, 320, 240, everything() if results is None else results)


def unzipped(items: list[ExportItem], format: str, view: View = ALL) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(export(items, format, view).read())) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def one(found: Instances) -> list[ExportItem]:
    height, width = found.size
    return [
        ExportItem(
            "photo.png", lambda: encode(scene(width, height), "PNG"), width, height, {"o": Analysed(CARD, found)}
        )
    ]


@st.composite
def found_boxes(draw: st.DrawFn) -> Instances:
    """Boxes of whole pixels in a photo of any size, with masks of any shape."""
    height, width, n = draw(st.integers(1, 60)), draw(st.integers(1, 60)), draw(st.integers(0, 4))
    rows, rles = [], []
    for i in range(n):
        x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        x2, y2 = draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height))
        rows.append(("car" if i % 2 else "toothbrush", 0.9, (x1, y1, x2, y2)))
        crop = draw(hnp.arrays(bool, (y2 - y1, x2 - x1)))
        crop[0, 0] = True
        rles.append(masks.encode(crop, x1, y1, (height, width)))
    bare = instances((height, width), rows, masked=False)
    return Instances(bare.size, bare.classes, bare.boxes, bare.scores, bare.labels, tuple(rles))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("count", [1, 3])
def test_every_format_takes_one_photo_or_many_with_a_name_and_a_size(format: str, count: int) -> None:
    made = export([item() for _ in range(count)], format, View())
    assert made.name.startswith("street" if count == 1 else "detections")
    assert "/" in made.media_type
    size = made.size
    assert size == len(made.read()) > 0
    assert made.file.closed


@pytest.mark.parametrize("format", FORMATS)
def test_a_photo_with_nothing_in_it_is_exported_too(format: str) -> None:
    assert export([item(results={}), item(results=objects(SIZE))], format, View()).read()


@pytest.mark.parametrize("format", FORMATS)
def test_only_what_the_view_selects_is_exported(format: str) -> None:
    data = export([item()], format, View(0.5, classes=("dog",))).read()
    if made := data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            texts = {name: archive.read(name) for name in archive.namelist()}
        rows = texts["labels/street.txt"].splitlines() if "labels/street.txt" in texts else list(texts)
        assert len(rows) == 1
    else:
        assert data.count(b"0.7") >= 1
        assert data.count(b"0.98") == data.count(b"0.3") == 0
    assert made == FORMATS[format].summary.endswith("ZIP")


def test_an_unknown_format_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(BadRequest, match="format must be one of coco, coco-polygons, yolo"):
        export([item()], "docx", View())


def test_results_of_many_photos_are_loaded_one_at_a_time() -> None:
    loaded: list[int] = []

    def loading(n: int) -> ExportItem:
        return ExportItem("a.jpg", photo, 320, 240, lambda: loaded.append(n) or everything())  # type: ignore[func-returns-value]

    assert export([loading(0), loading(1)], "csv", View()).size
    assert loaded == [0, 1]


def test_yolo_boxes_are_shares_of_the_photo_around_their_middle() -> None:
    files = unzipped([item()], "yolo")
    assert set(files) == {"labels/street.txt", "classes.txt", "data.yaml"}
    described = yaml.safe_load(files["data.yaml"])
    assert list(described) == ["train", "val", "names"]  # Readers take a `path` from different folders.
    names = described["names"]
    assert [names[i] for i in range(len(names))] == files["classes.txt"].decode().splitlines()
    rows = [line.split() for line in files["labels/street.txt"].decode().splitlines()]
    assert [names[int(row[0])] for row in rows] == ["car", "dog", "car", "face"]
    assert [float(v) for v in rows[0][1:]] == pytest.approx([60 / 320, 55 / 240, 100 / 320, 70 / 240], abs=1e-6)


@given(found_boxes())
def test_yolo_boxes_come_back_as_they_were(found: Instances) -> None:
    rows = unzipped(one(found), "yolo")["labels/photo.txt"].decode().splitlines()
    back = np.array([[float(v) for v in row.split()[1:]] for row in rows]).reshape(-1, 4)
    back = np.concatenate([back[:, :2] - back[:, 2:] / 2, back[:, :2] + back[:, 2:] / 2], 1)
    assert np.abs(back * np.tile(found.size[::-1], 2) - found.boxes).max(initial=0) < 1e-3


@given(found_boxes())
def test_yolo_outlines_hold_what_the_masks_hold(found: Instances) -> None:
    rows = unzipped(one(found), "yolo-seg")["labels/photo.txt"].decode().splitlines()
    assert len(rows) == len(found)
    for row, rle in zip(rows, found.masks or (), strict=True):
        points = np.array(row.split()[1:], float).reshape(-1, 2) * found.size[::-1]
        drawn = coco_mask.decode(
            coco_mask.merge(coco_mask.frPyObjects([points.round(3).ravel().tolist()], *found.size))
        )
        assert len(points) >= 3
        assert (drawn == masks.decode(rle)).mean() > 0.9


def test_voc_is_read_by_torchvision() -> None:
    root = ET.fromstring(export([item()], "voc", ALL).read())
    read = VOCDetection.parse_voc_xml(root)["annotation"]
    assert read["filename"] == "street.jpg"
    assert read["size"] == {"width": "320", "height": "240", "depth": "3"}
    assert [entry["name"] for entry in read["object"]] == ["car", "dog", "car", "face"]
    assert read["object"][0]["bndbox"] == {"xmin": "11", "ymin": "21", "xmax": "110", "ymax": "90"}
    files = unzipped([item("a.jpg"), item("b.jpg")], "voc")
    assert list(files) == ["Annotations/a.xml", "Annotations/b.xml"]


@given(found_boxes())
def test_voc_boxes_come_back_as_they_were_and_lie_inside_the_photo(found: Instances) -> None:
    root = ET.fromstring(export(one(found), "voc", ALL).read())
    back = [[int(box.findtext(tag, "")) for tag in ("xmin", "ymin", "xmax", "ymax")] for box in root.iter("bndbox")]
    boxes = np.array(back).reshape(-1, 4)
    assert (boxes - [1, 1, 0, 0] == found.boxes).all()
    assert (boxes >= 1).all()
    assert (boxes <= np.tile(found.size[::-1], 2)).all()


def test_voc_holds_names_that_xml_cannot() -> None:
    found = instances((10, 10), [("a <b> & \x00c", 0.9, (0, 0, 5, 5))], classes=("a <b> & \x00c",))
    root = ET.fromstring(export(one(found), "voc", ALL).read())
    assert root.findtext("object/name") == "a <b> & \N{REPLACEMENT CHARACTER}c"


def test_labelme_has_the_members_and_shapes_that_the_program_reads() -> None:
    document = json.loads(export([item()], "labelme", ALL).read())
    assert set(document) == {
        *("version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"),
    }
    assert (document["imagePath"], document["imageHeight"], document["imageWidth"]) == ("street.jpg", 240, 320)
    assert document["flags"]["sports_car"] is True
    kinds = [(shape["label"], shape["shape_type"], len(shape["points"])) for shape in document["shapes"]]
    assert [kind[:2] for kind in kinds[:4]] == [
        ("car", "polygon"),
        ("dog", "polygon"),
        ("car", "polygon"),
        ("face", "rectangle"),
    ]
    assert [kind[1:] for kind in kinds[4:]] == [("point", 1)] * 5
    for shape in document["shapes"]:
        assert {"label", "points", "group_id", "shape_type", "flags"} <= set(shape)
        assert all(0 <= x <= 320 and 0 <= y <= 240 for x, y in shape["points"])


def test_pieces_of_one_object_share_a_group_in_labelme() -> None:
    mask = np.zeros(SIZE, bool)
    mask[10:50, 10:50] = mask[100:150, 100:160] = True
    found = instances(SIZE, [("car", 0.9, (10, 10, 160, 150))])
    found = Instances(SIZE, found.classes, found.boxes, found.scores, found.labels, (masks.from_bitmap(mask),))
    shapes = json.loads(export(one(found), "labelme", ALL).read())["shapes"]
    assert [shape["group_id"] for shape in shapes] == [0, 0]


def test_csv_begins_with_a_mark_by_which_spreadsheets_know_its_encoding() -> None:
    assert export([item("ü.jpg")], "csv", ALL).read().startswith("\ufeffphoto,".encode())


def test_csv_is_a_table_that_reads_back() -> None:
    made = export([item("=cmd.jpg"), item("b, c.jpg")], "csv", ALL)
    assert (made.name, made.media_type) == ("detections.csv", "text/csv")
    rows = list(csv.DictReader(io.StringIO(made.read().decode("utf-8-sig"), newline="")))
    assert set(rows[0]) == set(COLUMNS)
    first = rows[0]
    assert (first["photo"], first["kind"], first["class"], first["score"]) == ("'=cmd.jpg", "object", "car", "0.98")
    assert [float(first[k]) for k in ("x1", "y1", "x2", "y2")] == [10, 20, 110, 90]
    assert float(first["area"]) == pytest.approx(np.pi * 50 * 35, rel=0.02)
    assert [row["kind"] for row in rows[:7]] == ["object"] * 3 + ["face"] + ["label"] * 3
    assert len(rows[3]["landmarks"].split(";")) == 5
    assert rows[-1]["photo"] == "b, c.jpg"
    assert rows[-1]["model"] == "lite0"


def test_geojson_rings_are_closed_and_turn_as_the_standard_asks() -> None:
    mask = np.zeros(SIZE, bool)
    mask[10:100, 10:100] = True
    mask[30:60, 30:60] = False
    mask[150:200, 200:300] = True
    found = instances(SIZE, [("car", 0.9, (10, 10, 300, 200)), ("dog", 0.8, (0, 0, 50, 50))])
    assert found.masks
    found = Instances(
        SIZE, found.classes, found.boxes, found.scores, found.labels, (masks.from_bitmap(mask), found.masks[1])
    )
    collection = json.loads(export(one(found), "geojson", ALL).read())
    assert collection["type"] == "FeatureCollection"
    car, dog = collection["features"]
    assert car["geometry"]["type"] == "MultiPolygon"
    assert dog["geometry"]["type"] == "Polygon"
    assert car["properties"] == {"class": "car", "score": 0.9, "box": [10, 10, 300, 200], "area": int(mask.sum())}
    assert [len(polygon) for polygon in car["geometry"]["coordinates"]] == [2, 1]
    rings = [ring for polygon in car["geometry"]["coordinates"] for ring in polygon]
    assert all(ring[0] == ring[-1] and len(ring) >= 4 for ring in rings)
    assert [np.sign(_turn(ring)) for ring in rings] == [1, -1, 1]
    assert sum(_turn(ring) for ring in rings) == pytest.approx(mask.sum(), rel=0.02)


def _turn(ring: list[list[float]]) -> float:
    (x, y) = np.array(ring).T
    return float(np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:])) / 2


def test_a_cutout_is_the_object_alone_on_nothing() -> None:
    files = unzipped([item()], "cutouts", View())
    assert list(files) == ["01_car.png", "02_dog.png"]
    cut = np.asarray(Image.open(io.BytesIO(files["01_car.png"])))
    found = everything()["objects"].result
    assert isinstance(found, Instances)
    assert found.masks
    x, y, crop = masks.decode_crop(found.masks[0])
    assert cut.shape == (*crop.shape, 4)
    assert ((cut[..., 3] == 255) == crop).all()
    assert (cut[crop][:, :3] == scene(320, 240)[y : y + len(crop), x : x + crop.shape[1]][crop]).all()
    assert (cut[~crop] == 0).all()


def test_a_cutout_without_a_mask_is_the_box() -> None:
    found = instances(SIZE, [("car", 0.9, (10, 20, 50, 60)), ("car", 0.8, (319, 239, 320, 240))], masked=False)
    files = unzipped(one(found), "cutouts").values()
    assert [np.asarray(Image.open(io.BytesIO(f))).shape for f in files] == [(40, 40, 4), (1, 1, 4)]


def test_a_model_with_boxes_only_is_exported_in_every_format() -> None:
    found = one(instances(SIZE, [("car", 0.9, (10, 20, 50, 60))], masked=False))
    assert json.loads(export(found, "labelme", ALL).read())["shapes"][0]["points"] == [[10, 20], [50, 60]]
    assert len(unzipped(found, "yolo-seg")["labels/photo.txt"].split()) == 9
    assert json.loads(export(found, "geojson", ALL).read())["features"][0]["geometry"]["type"] == "Polygon"
    assert json.loads(export(found, "coco", ALL).read())["annotations"][0]["area"] == 1600


ODD = st.sampled_from(
    ["../../etc/passwd", "a.jpg", "A.JPG", "CON", "..", "a\\b.png", "C:\\x.jpg", "a" * 300, "日" * 90]
)


@settings(max_examples=40)
@given(st.lists(st.text(max_size=40) | ODD, min_size=2, max_size=4))
def test_names_in_archives_are_safe_and_unique_whatever_the_photos_are_called(names: list[str]) -> None:
    items = [item(name, objects(SIZE, ("car", 0.9, (1, 1, 9, 9)))) for name in names]
    for format in ("yolo", "voc", "labelme", "geojson", "cutouts"):
        found = list(unzipped(items, format))
        assert len({name.casefold() for name in found}) == len(found) >= len(items)
        for name in found:
            assert not PurePosixPath(name).is_absolute()
            assert not set('\\:*?"<>|') & set(name)
            parts = name.split("/")
            assert all(part == part.strip() and part.strip(".") and len(part.encode()) <= 255 for part in parts)


NAMED = {  # names as they were sent: stems of the files about them
    ("a.jpg", "a.png", "A.jpg"): ["a", "a_2", "A_3"],
    ("frame.jpg", "frame.png", "frame_2.png"): ["frame", "frame_3", "frame_2"],
    ("x.jpg", "x.jpg", "x_2.jpg"): ["x", "x_3", "x_2"],
    ("x.jpg", "x.jpg", "x_2.png", "X_3.jpg"): ["x", "x_4", "x_2", "X_3"],
    ("train/cat/001.jpg", "train/dog/001.jpg", "001.jpg"): ["train/cat/001", "train/dog/001", "001"],
    ("a/1.jpg", "A/1.png"): ["a/1", "A/1_2"],
    ("e\u0301.jpg", "\u00e9.jpg"): ["e\u0301", "\u00e9_2"],
    ("12:30.jpg", "12?30.jpg"): ["12_30", "12_30_2"],
}


@pytest.mark.parametrize("names", NAMED)
@pytest.mark.parametrize(("format", "path"), [("yolo", "labels/{}.txt"), ("voc", "Annotations/{}.xml")])
def test_in_archives_a_name_that_was_sent_stays_with_its_photo(names: tuple[str, ...], format: str, path: str) -> None:
    found = list(unzipped(list(map(item, names)), format))
    assert found[: len(names)] == [path.format(stem) for stem in NAMED[names]]


@pytest.mark.parametrize("names", NAMED)
def test_inside_files_every_photo_keeps_its_name(names: tuple[str, ...]) -> None:
    items = [replace(item(name), width=320 + n) for n, name in enumerate(names)]
    images = json.loads(export(items, "coco", ALL).read())["images"]
    rows = csv.DictReader(io.StringIO(export(items, "csv", ALL).read().decode("utf-8-sig"), newline=""))
    numbered = {"x.jpg": "x_3.jpg" if len(names) == 3 else "x_4.jpg"}
    wanted = [numbered[name] if name in names[:n] else name for n, name in enumerate(names)]
    assert [(image["file_name"], image["width"] - 320) for image in images] == [(n, i) for i, n in enumerate(wanted)]
    assert list(dict.fromkeys(row["photo"] for row in rows)) == wanted
    documents = [json.loads(document) for document in unzipped(items, "labelme").values()]
    assert [document["imagePath"] for document in documents] == [PurePosixPath(name).name for name in wanted]
    files = unzipped(items, "voc").values()
    assert [ET.fromstring(file).findtext("filename") for file in files] == [
        document["imagePath"] for document in documents
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_names_are_cut_only_where_disks_would(count: int) -> None:
    name = "é" * 125 + ".jpg"  # 254 bytes
    assert (
        list(unzipped([item(name)] * count, "yolo"))[:count]
        == [f"labels/{'é' * 125}.txt", f"labels/{'é' * 124}_2.txt"][:count]
    )
    longer = [len(PurePosixPath(path).name.encode()) for path in unzipped([item("x" * 251 + ".jpg")] * 2, "geojson")]
    assert longer == [255, 255]


def test_labels_of_the_whole_photo_are_kept() -> None:
    results = {"labels": Analysed(CARD, Labels(("sports_car",), (0.7,)))}
    assert json.loads(export([item(results=results)], "geojson", ALL).read())["labels"] == {"sports_car": 0.7}


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@a",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20a",
        "\u3000\uff1d1",
    ],
)
def test_no_text_in_a_table_becomes_a_formula(text: str) -> None:
    assert _cell(text) == f"'{text}"
    assert _cell(f"a{text}") == f"a{text}"
