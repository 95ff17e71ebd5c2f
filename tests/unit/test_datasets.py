"""Data sets as files: every format that is written is read again, and what cannot be read is named."""

import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from app.datasets import brush
from app.datasets.errors import DataError
from app.datasets.read import read_folder
from app.datasets.split import Known, assign, difference_hash
from app.datasets.truth import Truth, from_box, from_mask, from_rings
from app.datasets.write import FORMATS, Example, write
from app.intake.archive import unpack
from app.intake.decode import decode
from app.vision import masks
from tests.unit.photos import encode, jpeg, scene

WIDTH, HEIGHT = 64, 48
SIZE = (HEIGHT, WIDTH)
CLASSES = ("cat", "hot dog", "Ünïcode: \"quoted\" 'name'")
PHOTO = jpeg(WIDTH, HEIGHT)


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    name = draw(st.sampled_from(CLASSES))
    x1, y1 = draw(st.integers(0, WIDTH - 12)), draw(st.integers(0, HEIGHT - 12))
    x2, y2 = draw(st.integers(x1 + 5, WIDTH)), draw(st.integers(y1 + 5, HEIGHT))
    if draw(st.booleans()):
        return from_box(name, (x1, y1, x2, y2), SIZE)
    bitmap = np.zeros(SIZE, bool)
    bitmap[y1:y2, x1:x2] = True
    bitmap[y1 : y1 + 2, x1 : x1 + 2] = draw(st.booleans())
    return from_mask(name, masks.from_bitmap(bitmap))


def example(name: str, *objects: Truth, part: str = "train") -> Example:
    return Example(name, part, lambda: PHOTO, WIDTH, HEIGHT, objects)  # type: ignore[arg-type]


def unpacked(data: bytes, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    assert unpack(io.BytesIO(data), folder, max_bytes=10**8, max_total=10**8) == []
    return folder


def read(folder: Path) -> dict[str, list[Truth]]:
    """The objects of every photo of a folder, by the photo's name; nothing may be refused."""
    found = read_folder(folder)
    assert found.problems == []
    read = {}
    for photo in found.photos:
        assert photo.described in (None, (WIDTH, HEIGHT))
        objects = photo.objects(SIZE)
        assert objects.problems == []
        read[photo.name] = objects.truths
    return read


def folder_of(tmp_path: Path, **files: str | bytes) -> Path:
    """A folder of files; two underscores in a name stand for a slash, one for a point."""
    for name, content in files.items():
        path = tmp_path / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(truths(), max_size=3), second=st.lists(truths(), max_size=2))
def test_what_is_written_is_read_again(
    format: str, tmp_path_factory: pytest.TempPathFactory, first: list[Truth], second: list[Truth]
) -> None:
    examples = [example("a.jpg", *first), example("sub/a.jpg", *second), example("b.jpg", part="validation")]
    data = write(examples, CLASSES, format, "set").read()
    again = read(unpacked(data, tmp_path_factory.mktemp(format)))
    assert len(again) == 3
    for path, wanted in (("train/a.jpg", first), ("train/sub/a.jpg", second), ("validation/b.jpg", [])):
        [objects] = [objects for name, objects in again.items() if name.endswith(f"/{path}") or name == path]
        check_alike(objects, wanted, format)


def check_alike(objects: Sequence[Truth], wanted: Sequence[Truth], format: str) -> None:
    assert [o.name for o in objects] == [w.name for w in wanted]
    for one, other in zip(objects, wanted, strict=True):
        assert one.box == pytest.approx(other.box, abs=1.01 if format in ("yolo-seg", "labelme") else 0.02)
        if format in ("coco", "cvat", "label-studio"):
            assert one.mask == other.mask
        elif format in ("yolo-seg", "labelme") and other.mask:
            assert one.mask is not None
            assert masks.area(one.mask) == pytest.approx(masks.area(other.mask), rel=0.5)


def test_pycocotools_reads_both_parts_and_crowds_stay_crowds(tmp_path: Path) -> None:
    crowd = from_box("cat", (0, 0, 20, 20), SIZE, crowd=True)
    examples = [example("a.jpg", crowd), example("b.jpg", from_box("dog", (1, 2, 11, 12), SIZE), part="validation")]
    folder = unpacked(write(examples, ("cat", "dog"), "coco", "set").read(), tmp_path / "set")
    for part, name, iscrowd in (("train", "cat", 1), ("validation", "dog", 0)):
        coco = COCO(str(folder / "annotations" / f"instances_{part}.json"))
        [annotation] = coco.loadAnns(coco.getAnnIds())
        assert (annotation["iscrowd"], coco.cats[annotation["category_id"]]["name"]) == (iscrowd, name)
        [image] = coco.loadImgs(coco.getImgIds())
        assert (folder / "images" / part / image["file_name"]).read_bytes() == PHOTO
    assert read(folder)["images/train/a.jpg"] == [crowd]


def test_roboflow_folders_of_parts_are_read_together(tmp_path: Path) -> None:
    box = {"id": 1, "image_id": "7", "category_id": 3.0, "bbox": [1, 2, 10, 10], "iscrowd": "0"}
    for part in ("train", "valid"):
        content = {"images": [{"id": "7", "file_name": "a.jpg"}], "annotations": [box]}
        content["categories"] = [{"id": "3", "name": "screw"}]
        folder_of(tmp_path / part, a_jpg=PHOTO)
        (tmp_path / part / "_annotations.coco.json").write_text(json.dumps(content))
    again = read(tmp_path)
    assert again.keys() == {"train/a.jpg", "valid/a.jpg"}
    assert again["train/a.jpg"] == [Truth("screw", (1, 2, 11, 12))]


def test_label_studio_tasks_are_read(tmp_path: Path) -> None:
    def region(type: str, **value: object) -> dict[str, object]:
        return {"type": type, "original_width": WIDTH, "original_height": HEIGHT, "value": value}

    # What `@thi.ng/rle-pack` gives for 64 x 48 pixels of four channels that are all 255.
    count = WIDTH * HEIGHT * 4
    bits = f"{count:032b}" + f"{7:05b}" + "".join(f"{15:04b}" for _ in range(4))
    bits += "1" + "00" + f"{count - 1:016b}" + f"{255:08b}"
    packed = [int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8)]
    results = [
        region("rectanglelabels", x=25, y=50, width=50, height=25, rotation=0, rectanglelabels=["cat"]),
        region("polygonlabels", points=[[0, 0], [50, 0], [50, 50], [0, 50]], polygonlabels=["dog"]),
        region("brushlabels", format="rle", rle=packed, brushlabels=["sky"]),
        {"type": "choices", "value": {"choices": ["indoor"]}},
    ]
    tasks = [
        {"data": {"image": "/data/upload/3/0a1b2c3d-a.jpg"}, "annotations": [{"result": results}]},
        {"data": {"image": "/data/local-files/?d=images/b.jpg"}, "annotations": [{"result": []}]},
    ]
    folder = folder_of(tmp_path, a_jpg=PHOTO, images__b_jpg=PHOTO, project_json=json.dumps(tasks))
    again = read(folder)
    assert again["images/b.jpg"] == []
    cat, dog, sky = again["a.jpg"]
    assert cat == Truth("cat", (16, 24, 48, 36))
    assert dog.box == (0, 0, 32, 24)
    assert dog.mask is not None
    assert masks.area(dog.mask) == 32 * 24
    assert sky.mask is not None
    assert masks.area(sky.mask) == WIDTH * HEIGHT


def test_brush_masks_are_packed_as_label_studios_own_library_packs_them() -> None:
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    mask[2, 2] = False
    # `brush.encode_rle` of label-studio-sdk 2.1.2 gave this.
    theirs = [0, 0, 0, 80, 57, 27, 254, 23, 0, 183, 255, 56, 4, 127, 241, 128, 71, 255, 133, 192, 0]
    assert np.array_equal(brush.unpack(theirs, (4, 5)), mask)
    assert np.array_equal(brush.unpack(brush.pack(mask), (4, 5)), mask)
    for broken, size in ((theirs, (5, 5)), (theirs[:12], (4, 5)), ([], (4, 5))):
        with pytest.raises(ValueError, match="has a"):
            brush.unpack(broken, size)


def test_classes_are_named_where_the_readers_of_voc_and_cvat_look_for_them(tmp_path: Path) -> None:
    for format in ("voc", "cvat", "label-studio"):
        unpacked(write([example("a.jpg")], CLASSES, format, "set").read(), tmp_path / format)
    lines = (tmp_path / "voc" / "labelmap.txt").read_text().splitlines()
    assert lines[1:] == [f"{name}:::" for name in CLASSES]
    labels = ElementTree.parse(tmp_path / "cvat" / "annotations.xml").findall("meta/task/labels/label/name")
    assert [label.text for label in labels] == [*CLASSES]
    interface = ElementTree.parse(tmp_path / "label-studio" / "config.xml")
    assert [label.get("value") for label in interface.iter("Label")] == [*CLASSES, *CLASSES]


def test_cvat_and_labelme_shapes_of_every_kind_are_read(tmp_path: Path) -> None:
    cvat = f"""<annotations><image id="0" name="a.jpg" width="{WIDTH}" height="{HEIGHT}">
      <box label="cat" xtl="1" ytl="2" xbr="11.5" ybr="12"/>
      <polygon label="dog" points="0.0,0.0;32.0,0.0;32.0,24.0"/>
      <ellipse label="wheel" cx="20" cy="20" rx="10" ry="5"/>
      <mask label="sky" left="2" top="3" width="4" height="2" rle="1, 3, 1, 3"/>
      <points label="eye" points="1,1"/>
    </image></annotations>"""
    shapes = [
        {"label": "cat", "points": [[11.5, 12], [1, 2]], "shape_type": "rectangle", "group_id": None},
        {"label": "dog", "points": [[0, 0], [8, 0], [8, 8]], "shape_type": "polygon", "group_id": 1},
        {"label": "dog", "points": [[20, 0], [28, 0], [28, 8]], "shape_type": "polygon", "group_id": 1},
        {"label": "wheel", "points": [[20, 20], [30, 20]], "shape_type": "circle"},
        {"label": "eye", "points": [[1, 1]], "shape_type": "point"},
    ]
    labelme = {"imagePath": "b.jpg", "imageWidth": WIDTH, "imageHeight": HEIGHT, "shapes": shapes}
    folder = folder_of(tmp_path, a_jpg=PHOTO, b_jpg=PHOTO, annotations_xml=cvat, b_json=json.dumps(labelme))
    again = read(folder)
    cat, dog, wheel, sky = again["a.jpg"]
    assert cat == Truth("cat", (1, 2, 11.5, 12))
    assert (dog.name, dog.box) == ("dog", (0, 0, 32, 24))
    assert wheel.box == pytest.approx((10, 15, 30, 25), abs=0.1)
    assert sky.box == (3, 3, 6, 5)
    assert sky.mask is not None
    assert masks.area(sky.mask) == 6
    cat, dog, wheel = again["b.jpg"]
    assert cat == Truth("cat", (1, 2, 11.5, 12))
    assert dog.box == (0, 0, 28, 8)
    assert wheel.box == pytest.approx((10, 10, 30, 30), abs=0.1)


def test_darknets_and_ultralytics_folders_are_read(tmp_path: Path) -> None:
    line = "1 0.5 0.5 0.25 0.5\n"
    folder_of(tmp_path / "darknet", obj_names="cat\ndog\n", train__a_jpg=PHOTO, train__a_txt=line)
    assert read(tmp_path / "darknet") == {"train/a.jpg": [Truth("dog", (24, 12, 40, 36))]}
    yaml = "names:\n  0: cat\n  1: 'dog: big'\n"
    folder_of(tmp_path / "ultra", data_yaml=yaml, images__val__a_jpg=PHOTO, labels__val__a_txt=line)
    assert read(tmp_path / "ultra") == {"images/val/a.jpg": [Truth("dog: big", (24, 12, 40, 36))]}


def test_what_cannot_be_used_is_named_photo_by_photo(tmp_path: Path) -> None:
    lines = "0 0.5 0.5 0.25 0.5\n7 0.5 0.5 0.1 0.1\n0 2 2 0.1 0.1\nnonsense\n"
    folder = folder_of(tmp_path, classes_txt="cat\n", a_jpg=PHOTO, a_txt=lines, b_jpg=PHOTO)
    found = read_folder(folder)
    assert found.problems == ["b.jpg: the photo has no label file"]
    objects = found.photos[0].objects(SIZE)
    assert objects.truths == [Truth("cat", (24, 12, 40, 36))]
    assert objects.problems == [
        "line 2 has the unknown class 7",
        "line 3 has a box outside the 64 x 48 photo",
        "line 4 is not a class and at least four numbers",
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a_jpg": PHOTO}, []),
        ({"a_jpg": PHOTO, "x_json": "{"}, ["x.json: the file is not valid JSON"]),
        ({"a_jpg": PHOTO, "x_xml": "<annotation>"}, ["x.xml: the file is not valid XML"]),
        (
            {"a_jpg": PHOTO, "x_xml": '<!DOCTYPE a [<!ENTITY b "b">]><annotation/>'},
            ["x.xml: the file defines entities, which annotations do not need"],
        ),
        (
            {"x_xml": "<annotation><filename>a.jpg</filename></annotation>"},
            ["x.xml: its photo a.jpg is missing"],
        ),
    ],
)
def test_a_folder_without_labelled_photos_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], said: list[str]
) -> None:
    with pytest.raises(DataError) as refused:
        read_folder(folder_of(tmp_path, **files))
    assert refused.value.problems == said
    assert "Label Studio or CVAT" in refused.value.message


def test_names_never_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(PHOTO)
    xml = "<annotation><filename>../secret.jpg</filename></annotation>"
    (tmp_path / "inner").symlink_to(tmp_path)
    with pytest.raises(DataError):
        read_folder(folder_of(tmp_path / "set", a_xml=xml, other_jpg=PHOTO))


def test_a_zip_is_unpacked_below_its_folder_only(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../outside.txt", "x")
        archive.writestr("sub/in.txt", "x")
        archive.writestr("empty.txt", "")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("sub/in.txt", "twice")
        archive.writestr("big.txt", bytes(2000))
    refused = unpack(buffer, tmp_path / "set", max_bytes=1000, max_total=10_000)
    assert sorted(entry.name for entry in refused) == ["big.txt", "outside.txt", "sub/in.txt"]
    assert sorted(path.name for path in tmp_path.rglob("*.txt")) == ["empty.txt", "in.txt"]
    assert (tmp_path / "set" / "sub" / "in.txt").read_text() == "x"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: from_box("", (0, 0, 1, 1), SIZE), "has no class"),
        (lambda: from_box("x" * 81, (0, 0, 1, 1), SIZE), "has a class of more than 80 characters"),
        (lambda: from_box("cat", (5, 5, 5, 9), SIZE), "has an empty box"),
        (lambda: from_box("cat", (0, 0, float("nan"), 9), SIZE), "has an empty box"),
        (lambda: from_box("cat", (0, 0, 90, 9), SIZE), "has a box outside the 64 x 48 photo"),
        (lambda: from_rings("cat", [], SIZE), "has an outline that is not a list of at least three points"),
        (lambda: from_rings("cat", [[0, 0, 1, 1]], SIZE), "has an outline that is not a list of at least three points"),
        (lambda: from_mask("cat", masks.from_bitmap(np.zeros(SIZE, bool))), "has an empty mask"),
    ],
)
def test_an_object_that_cannot_be_is_refused(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


# The split


def known(*numbers: int, part: str | None = None) -> list[Known]:
    """Photos whose hashes differ in many bits."""
    generator = [np.random.default_rng(number) for number in numbers]
    return [Known(f"{n:064x}", int(g.integers(2**63)), part) for n, g in zip(numbers, generator, strict=True)]  # type: ignore[arg-type]


@given(count=st.integers(2, 40), seed=st.integers(0, 5), share=st.floats(0.05, 0.95))
def test_the_split_is_the_same_for_the_same_seed_and_keeps_its_share(count: int, seed: int, share: float) -> None:
    photos = known(*range(count))
    sides = assign(photos, share, seed)
    assert sides == assign(photos[::-1], share, seed)
    assert set(sides.values()) == {"train", "validation"}
    assert list(sides.values()).count("validation") == min(max(round(count * share), 1), count - 1)


def test_photos_stay_on_their_sides_when_others_are_added() -> None:
    first = known(*range(10))
    sides = assign(first, 0.3, seed=1)
    later = [photo._replace(part=sides[photo.sha256]) for photo in first] + known(*range(10, 20))
    added = assign(later, 0.3, seed=1)
    assert added.keys() == {photo.sha256 for photo in known(*range(10, 20))}
    assert [*sides.values(), *added.values()].count("validation") == 6


def test_near_duplicates_stay_on_one_side() -> None:
    rgb = scene(320, 240)
    smaller = decode(encode(scene(160, 120), "JPEG", quality=50))
    other = np.rot90(rgb).copy()
    one, two, three = (difference_hash(picture) for picture in (rgb, smaller, other))
    for seed in range(8):
        photos = [Known("a" * 64, one), Known("b" * 64, two), Known("c" * 64, three), *known(1, 2, 3)]
        sides = assign(photos, 0.5, seed)
        assert sides["a" * 64] == sides["b" * 64]
    assert (
        assign([Known("a" * 64, one, "validation"), Known("b" * 64, two), *known(1, 2)], 0.5, 0)["b" * 64]
        == "validation"
    )
