"""Texts that an analysis reads: in overlays, pictures, exports, the API and the client, whatever the analysis."""

import csv
import io
import json
from typing import Any

import numpy as np
import pytest

from app.client.results import Item, Run
from app.vision.export import ExportItem, export
from app.vision.export.table import COLUMNS, TEXT_COLUMNS
from app.vision.render.overlay import overlay
from app.vision.render.palette import colour, rgb
from app.vision.render.picture import annotate
from app.vision.view import View
from tests.unit.photos import encode, scene
from tests.unit.results import everything
from tests.unit.signs import FAINT, STOP, signs

SIZE = (240, 320)
ALL = View(0.05)


def exported(format: str, view: View = ALL) -> bytes:
    results = everything() | signs()
    return export([ExportItem("a.png", lambda: encode(scene(320, 240), "PNG"), 320, 240, results)], format, view).read()


def test_the_overlay_has_text_corners_and_kind_only_where_there_are_some() -> None:
    entries = json.loads(json.dumps(overlay(everything() | signs())))["instances"]
    *objects, stop, faint = entries
    assert all({"kind", "text", "corners", "tagged"}.isdisjoint(entry) for entry in objects)
    assert [stop[name] for name in ("class", "score", "kind", "text")] == ["road sign", 0.9, "sign", "STOP, now"]
    assert stop["corners"] == [[20, 40], [110, 30], [120, 70], [30, 80]]
    assert "text" not in faint
    assert [entry["id"] for entry in entries] == [0, 1, 2, 3, 4]


def test_a_quadrilateral_is_drawn_along_its_edges_and_not_as_its_box() -> None:
    plain = np.full((240, 320, 3), 255, np.uint8)
    drawn = annotate(plain.copy(), signs(), View(0.5, labels=False))
    ink = np.array(rgb(colour("road sign")))
    assert np.abs(drawn[75, 25].astype(int) - 255).sum() == 0  # in a corner of the box, off the quadrilateral
    assert np.abs(drawn[35, 65].astype(int) - ink).sum() < 60  # in the middle of its upper edge
    assert (drawn[100:125, 145:205] == 255).all()  # what is below the threshold
    assert (annotate(plain.copy(), signs(), View(0.5, labels=False, masks=False)) == plain).all()


def test_a_tag_says_what_was_read() -> None:
    plain = np.full((240, 320, 3), 255, np.uint8)
    named, read = (annotate(plain.copy(), {"signs": signs()["signs"]}, View(threshold)) for threshold in (0.95, 0.5))
    assert (named == 255).all()
    assert (read[:40] != 255).any()


def test_csv_has_columns_for_texts_only_where_there_are_some() -> None:
    rows = list(csv.DictReader(io.StringIO(exported("csv").decode("utf-8-sig"))))
    assert list(rows[0]) == [*COLUMNS, *TEXT_COLUMNS]
    found = {row["class"]: row for row in rows}
    assert found["road sign"]["text"] == "STOP, now"
    assert found["road sign"]["corners"] == "20 40;110 30;120 70;30 80"
    assert found["road sign"]["kind"] == "sign"
    assert (found["car"]["text"], found["shop sign"]["text"]) == ("", "")
    bare = export([ExportItem("a.png", lambda: b"", 320, 240, everything())], "csv", ALL).read().decode("utf-8-sig")
    assert bare.splitlines()[0] == ",".join(COLUMNS)


def test_a_text_that_a_spreadsheet_would_run_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    object.__setattr__(STOP, "text", '=HYPERLINK("http://example.org")')
    try:
        rows = list(csv.DictReader(io.StringIO(exported("csv").decode("utf-8-sig"))))
    finally:
        object.__setattr__(STOP, "text", "STOP, now")
    assert next(row for row in rows if row["class"] == "road sign")["text"].startswith("'=HYPERLINK")


def test_coco_has_the_text_as_an_attribute_and_the_quadrilateral_as_a_polygon() -> None:
    document = json.loads(exported("coco"))
    categories = {category["name"]: category for category in document["categories"]}
    assert categories["road sign"]["supercategory"] == "sign"
    (stop,) = (a for a in document["annotations"] if a["category_id"] == categories["road sign"]["id"])
    assert stop["attributes"] == {"text": "STOP, now"}
    assert stop["bbox"] == [20, 30, 100, 50]
    assert stop["segmentation"] == [[20, 40, 110, 30, 120, 70, 30, 80]]
    assert stop["area"] == pytest.approx(3700)
    assert all("attributes" not in a for a in document["annotations"] if a is not stop)


def test_labelme_shows_the_text_of_a_polygon() -> None:
    shapes = {shape["label"]: shape for shape in json.loads(exported("labelme"))["shapes"]}
    assert shapes["road sign"]["shape_type"] == "polygon"
    assert shapes["road sign"]["points"] == [[20, 40], [110, 30], [120, 70], [30, 80]]
    assert (shapes["road sign"]["description"], shapes["road sign"]["score"]) == ("STOP, now", 0.9)
    assert shapes["shop sign"]["description"] == "score 0.3"


def test_geojson_has_the_text_as_a_property() -> None:
    features = json.loads(exported("geojson"))["features"]
    (stop,) = (feature for feature in features if feature["properties"]["class"] == "road sign")
    assert stop["properties"]["text"] == "STOP, now"
    assert len(stop["geometry"]["coordinates"][0]) == 5


@pytest.mark.parametrize("format", ["voc", "yolo", "yolo-seg", "cutouts", "coco-polygons"])
def test_formats_that_hold_no_text_hold_the_boxes(format: str) -> None:
    assert exported(format)


def test_the_json_of_an_analysis_without_a_shape_of_its_own_is_its_rows() -> None:
    result = signs()["signs"].result
    said = result.to_json(View(0.5), np.ones(2), "rle")
    assert said["kind"] == "signs"
    (item,) = said["items"]
    assert item == {
        "class": "road sign",
        "score": 0.9,
        "box": [20, 30, 120, 80],
        "corners": [[20, 40], [110, 30], [120, 70], [30, 80]],
        "text": "STOP, now",
    }
    (item,) = result.to_json(View(0.5), np.array([1 / 320, 1 / 240]), "rle")["items"]
    assert item["box"] == pytest.approx([20 / 320, 30 / 240, 120 / 320, 80 / 240])


def test_the_client_has_the_items_and_texts_of_any_analysis() -> None:
    body: dict[str, Any] = {"id": "a", "state": "done", "name": "a.jpg", "results": {}}
    body["results"]["signs"] = signs()["signs"].result.to_json(ALL, np.ones(2), "rle")
    run = Run.from_json(body)
    stop, faint = run.items("signs")
    assert stop == Item("road sign", 0.9, (20, 30, 120, 80), "STOP, now", STOP.corners)
    assert (faint.name, faint.text, faint.corners) == ("shop sign", "", FAINT.corners)
    assert run.texts == ["STOP, now"]
    assert run.items("codes") == []
