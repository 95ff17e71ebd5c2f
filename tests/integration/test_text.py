"""Text in made-up photos, by the networks themselves: signs, a receipt, a page on its side, Latin and Chinese."""

import json
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from app.config.settings import Settings
from app.vision.analyses import offer
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.registry import stored_result
from app.vision.analyses.text.reader import make
from app.vision.analyses.text.result import Lines
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import load_catalogue
from app.vision.export import FORMATS, ExportItem, export
from app.vision.view import View
from tests.conftest import ROOT
from tests.unit.photos import encode, scene

# In PNG, as no font that comes with Python's packages has Chinese letters.
CHINESE = ROOT / "tests" / "fixtures" / "chinese.png"
CHINESE_LINES = ("欢迎光临北京", "营业时间 9:00-21:00", "禁止吸烟")
RECEIPT = (("CORNER SHOP", ""), ("Oat milk", "2.50"), ("Bread", "3.95"), ("TOTAL CHF", "6.45"), ("Thank you!", ""))
RECEIPT_LINES = tuple(part for row in RECEIPT for part in row if part)


@pytest.fixture(scope="module", params=["auto", "f32"])
def reader(request: pytest.FixtureRequest) -> Analyzer:
    """The text analyzer, in the precision that this machine computes best in, and in the one that all can."""
    made = offer.analyzer("text", Settings(precision=request.param))
    made.load("cpu")
    return made


def read(reader: Analyzer, rgb: np.ndarray) -> Lines:
    result = reader.analyse(np.ascontiguousarray(rgb)).result
    assert isinstance(result, Lines)
    return result


def letters(image: Image.Image, x: float, y: float, text: str, size: float, colour: str = "black") -> None:
    ImageDraw.Draw(image).text((x, y), text, fill=colour, font=ImageFont.load_default(size))


def receipt() -> np.ndarray:
    image = Image.new("RGB", (600, 620), "white")
    for number, row in enumerate(RECEIPT):
        for x, text in zip((50, 420), row, strict=True):
            letters(image, x, 60 + 100 * number, text, 40)
    return np.asarray(image)


def sign(angle: float = 0, size: float = 90) -> np.ndarray:
    image = Image.fromarray(scene(1200, 900))
    ImageDraw.Draw(image).rectangle((200, 250, 1000, 640), fill="#14592a")
    letters(image, 260, 290, "EXIT 24B", size, "white")
    letters(image, 260, 450, "Airport Road", size, "white")
    return np.asarray(image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)))


@pytest.mark.parametrize("angle", [0, 8, -14])
def test_a_sign_is_read(reader: Analyzer, angle: float) -> None:
    lines = read(reader, sign(angle))
    assert lines.texts == ("EXIT 24B", "Airport Road")
    assert (lines.scores > 0.9).all()
    step = lines.corners[1, 1] - lines.corners[1, 0]
    assert np.degrees(np.arctan2(step[1], step[0])) == pytest.approx(-angle, abs=2)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_receipt_is_read_in_order_however_the_page_lies(reader: Analyzer, turns: int) -> None:
    page = receipt()
    lines = read(reader, np.rot90(page, turns))
    assert lines.texts == RECEIPT_LINES
    assert lines.size == np.rot90(page, turns).shape[:2]
    steps = lines.corners[:, 1] - lines.corners[:, 0]
    directions = (steps / np.linalg.norm(steps, axis=1, keepdims=True)).round().astype(int)
    assert {tuple(step) for step in directions.tolist()} == {[(1, 0), (0, -1), (-1, 0), (0, 1)][turns]}
    x, y = lines.corners[0, 0]
    height, width = page.shape[:2]
    corner = [(x, y), (width - y, x), (width - x, height - y), (y, height - x)][turns]
    np.testing.assert_allclose(corner, (45, 55), atol=25)


@pytest.mark.parametrize("turns", [0, 1])
def test_chinese_is_read(reader: Analyzer, turns: int) -> None:
    page = np.asarray(Image.open(CHINESE).convert("RGB"))
    assert read(reader, np.rot90(page, turns)).texts == CHINESE_LINES


def test_small_letters_large_ones_and_blurred_ones_are_read(reader: Analyzer) -> None:
    image = Image.fromarray(scene(1280, 960))
    letters(image, 100, 60, "Best before 12 May", 14)
    letters(image, 60, 300, "SALE", 300)
    assert sorted(read(reader, np.asarray(image)).texts) == ["Best before 12 May", "SALE"]
    blurred = cv2.GaussianBlur(sign(size=60), (0, 0), 3)
    assert read(reader, blurred).texts == ("EXIT 24B", "Airport Road")


def test_each_line_is_read_as_it_stands_where_they_stand_differently(reader: Analyzer) -> None:
    image = Image.new("RGB", (1200, 800), "white")
    letters(image, 100, 60, "Upright", 50)
    letters(image, 500, 60, "Upright as well", 50)
    turned = Image.new("RGB", (450, 80), "white")
    letters(turned, 10, 10, "Running upwards", 50)
    image.paste(turned.rotate(90, expand=True), (100, 250))
    image.paste(turned.rotate(180), (500, 600))
    lines = read(reader, np.asarray(image))
    steps = dict(zip(lines.texts, (lines.corners[:, 1] - lines.corners[:, 0]).tolist(), strict=True))
    assert sorted(lines.texts) == ["Running upwards", "Running upwards", "Upright", "Upright as well"]
    assert steps["Upright"][0] > 100


def test_text_that_fills_a_strip_of_paper_is_read_to_its_edge(reader: Analyzer) -> None:
    image = Image.new("RGB", (236, 44), "white")
    letters(image, 4, 0, "Invoice 2041", 38)
    assert read(reader, np.asarray(image)).texts == ("Invoice 2041",)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3000), (3000, 3), (480, 640)])
def test_a_photo_without_text_has_none(reader: Analyzer, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for rgb in (noise, scene(shape[1], shape[0])):
        lines = read(reader, rgb)
        assert len(lines) == 0
        assert lines.corners.shape == (0, 4, 2)


def test_ten_thousand_specks_are_no_text(reader: Analyzer) -> None:
    rng = np.random.default_rng(1)
    specks = np.full((3000, 4000, 3), 255, np.uint8)
    for x, y, width, height in zip(*rng.integers((0, 0, 3, 3), (3980, 2980, 14, 14), (10_000, 4)).T, strict=True):
        specks[y : y + height, x : x + width] = 0
    assert len(read(reader, specks)) < 100


@pytest.fixture(scope="module")
def results(reader: Analyzer) -> dict[str, Any]:
    return {"text": reader.analyse(receipt())}


def test_a_worker_with_little_memory_reads_the_same(results: dict[str, Any], reader: Analyzer) -> None:
    frugal = offer.analyzer(
        "text", replace(Settings(precision=reader.card.version.split("-")[-1]), memory_limit_mb=600)
    )
    frugal.load("cpu")
    assert frugal.card.identity == reader.card.identity
    assert read(frugal, receipt()).texts == results["text"].result.texts


def test_a_stored_result_is_read_back(results: dict[str, Any]) -> None:
    kept = stored_result(json.loads(json.dumps(results["text"].to_dict())))
    for row, before in zip(kept.result.rows(), results["text"].result.rows(), strict=True):
        assert (row.text, row.score) == (before.text, before.score)
        np.testing.assert_allclose(row.corners, before.corners, atol=0.01)


@pytest.mark.parametrize("format", FORMATS)
def test_every_export_holds_the_lines(results: dict[str, Any], format: str) -> None:
    item = ExportItem("a.png", lambda: encode(receipt(), "PNG"), 600, 620, results)
    data = export([item], format, View(0.5)).read()
    assert data
    if format in ("coco", "coco-polygons", "csv", "labelme", "geojson"):
        assert all(line in data.decode() for line in RECEIPT_LINES)


def test_networks_that_are_missing_are_reported() -> None:
    model = replace(load_catalogue()["ppocrv6_small"], files=("*_det_*.onnx",))
    with pytest.raises(CheckpointError, match="rapidocr has other networks than PP-OCRv6 small; run `make up`"):
        make(model, Settings())
