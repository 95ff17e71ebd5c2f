"""Codes in made-up photos: what they say, whichever way they lie."""

import json
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from app.config.settings import Settings
from app.vision.analyses import offer
from app.vision.analyses.codes.reader import UNSAFE, safe
from app.vision.analyses.codes.result import Codes
from app.vision.analyses.registry import stored_result
from app.vision.export import FORMATS, ExportItem, export
from app.vision.render.picture import annotate
from app.vision.view import View
from tests.unit.photos import encode, scene

QR, EAN = zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.EAN13
LINK = "https://example.org/menu?table=7"
READER = offer.analyzer("codes", Settings())


def code(content: str | bytes, format: zxingcpp.BarcodeFormat = QR, scale: int = 4) -> np.ndarray:
    """A code with its quiet zone, (H, W, 3) uint8."""
    drawn = np.asarray(zxingcpp.create_barcode(content, format).to_image(scale=scale))
    return np.repeat(np.pad(drawn, 8 * scale, constant_values=255)[:, :, None], 3, axis=2)


def photo(*placed: tuple[np.ndarray, int, int], size: tuple[int, int] = (600, 800)) -> np.ndarray:
    """A scene with codes at x and y."""
    rgb = scene(size[1], size[0])
    for drawn, x, y in placed:
        rgb[y : y + drawn.shape[0], x : x + drawn.shape[1]] = drawn
    return rgb


def read(rgb: np.ndarray) -> Codes:
    result = READER.analyse(rgb).result
    assert isinstance(result, Codes)
    return result


def test_a_code_is_read_with_its_format_and_corners() -> None:
    drawn = code(LINK)
    codes = read(photo((drawn, 100, 200)))
    assert (codes.size, codes.formats, codes.texts) == ((600, 800), ("QR Code",), (LINK,))
    margin = 12 * 4  # `code` pads by eight modules, and ZXing draws a quiet zone of four
    left, top, side = 100 + margin, 200 + margin, drawn.shape[0] - 2 * margin
    expected = [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
    np.testing.assert_allclose(codes.corners[0], expected, atol=2)


@pytest.mark.parametrize(
    ("format", "content", "name", "text"),
    [
        (EAN, "4006381333931", "EAN-13", "4006381333931"),
        (zxingcpp.BarcodeFormat.Code128, "Shelf 12-B", "Code 128", "Shelf 12-B"),
        (zxingcpp.BarcodeFormat.DataMatrix, "lot 7", "Data Matrix", "lot 7"),
        (zxingcpp.BarcodeFormat.PDF417, "boarding pass", "PDF417", "boarding pass"),
        (zxingcpp.BarcodeFormat.Aztec, "ticket", "Aztec", "ticket"),
        (QR, "漢字 é ✓", "QR Code", "漢字 é ✓"),
        (QR, "BEGIN:VCARD\nN:Müller\nEND:VCARD", "QR Code", "BEGIN:VCARD\nN:Müller\nEND:VCARD"),
    ],
)
def test_many_kinds_are_read(format: zxingcpp.BarcodeFormat, content: str, name: str, text: str) -> None:
    codes = read(photo((code(content, format, 2), 20, 30)))
    assert (codes.formats, codes.texts) == ((name,), (text,))


def test_several_codes_are_listed_from_the_top() -> None:
    codes = read(photo((code("lower"), 60, 330), (code("4006381333931", EAN, 2), 250, 20), (code("right"), 500, 330)))
    assert codes.texts == ("4006381333931", "lower", "right")
    assert len(codes) == 3


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_corners_of_a_turned_code_begin_where_it_does(turns: int) -> None:
    upright = read(photo((code(LINK), 100, 200))).corners[0]
    codes = read(np.ascontiguousarray(np.rot90(photo((code(LINK), 100, 200)), -turns)))
    assert codes.texts == (LINK,)
    moved = upright
    for height, _ in ((600, 800), (800, 600), (600, 800))[:turns]:
        moved = np.stack((height - moved[:, 1], moved[:, 0]), axis=1)
    np.testing.assert_allclose(codes.corners[0], moved, atol=6)


@pytest.mark.parametrize("angle", [13, 24, 45, 114, 158])
@pytest.mark.parametrize(("content", "format"), [(LINK, QR), ("4006381333931", EAN)])
def test_a_code_at_an_angle_is_read(angle: int, content: str, format: zxingcpp.BarcodeFormat) -> None:
    matrix = cv2.getRotationMatrix2D((400, 300), angle, 1)
    drawn = code(content, format, 3)
    turned = cv2.warpAffine(photo((drawn, 200, 150)), matrix, (800, 600), borderValue=(255, 255, 255))
    assert read(turned).texts == (content,)


def test_a_small_code_and_a_blurred_one_are_read() -> None:
    small = read(photo((code(LINK, scale=2), 300, 200)))
    assert small.texts == (LINK,)
    assert (np.ptp(small.corners[0], axis=0) < 70).all()
    assert read(cv2.GaussianBlur(photo((code(LINK), 100, 200)), (0, 0), 1.5)).texts == (LINK,)


def test_a_photo_of_forty_megapixels_has_its_corners_in_its_own_pixels() -> None:
    large = cv2.resize(photo((code(LINK), 100, 200)), (7300, 5475), interpolation=cv2.INTER_NEAREST)
    codes = read(large)
    assert (codes.size, codes.texts) == ((5475, 7300), (LINK,))
    np.testing.assert_allclose(codes.corners[0] / 9.125, read(photo((code(LINK), 100, 200))).corners[0], atol=4)


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (480, 640)])
def test_a_photo_without_codes_has_none(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for rgb in (noise, scene(shape[1], shape[0])):
        assert len(read(rgb)) == 0
        assert read(rgb).corners.shape == (0, 4, 2)


@given(st.binary(min_size=1, max_size=60))
def test_bytes_that_are_no_text_become_one_that_can_be_stored(content: bytes) -> None:
    codes = read(photo((code(content, scale=3), 20, 20)))
    (text,) = codes.texts
    assert text
    assert not UNSAFE.search(text)
    assert text.encode().decode() == text
    assert json.loads(json.dumps(text)) == text


def test_a_text_cannot_turn_the_direction_of_writing() -> None:
    (text,) = read(photo((code("https://a.example/\u202egpj.exe"), 20, 20))).texts
    assert text == "https://a.example/\ufffdgpj.exe"
    assert safe("tab\tand\nline \N{FAMILY}\u200d") == "tab\tand\nline \N{FAMILY}\u200d"


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return {"codes": READER.analyse(photo((code(LINK), 100, 200), (code("4006381333931", EAN, 2), 400, 20)))}


def test_a_stored_result_is_read_back(results: dict[str, Any]) -> None:
    kept = stored_result(json.loads(json.dumps(results["codes"].to_dict())))
    assert kept.result.rows() == results["codes"].result.rows()
    assert kept.card == results["codes"].card


def test_the_card_names_the_library_by_its_bytes() -> None:
    assert READER.card.model == "zxing"
    assert len(READER.card.checkpoint) == 64


@pytest.mark.parametrize("format", FORMATS)
def test_every_export_holds_the_codes(results: dict[str, Any], format: str) -> None:
    item = ExportItem("a.png", lambda: encode(photo((code(LINK), 100, 200)), "PNG"), 800, 600, results)
    data = export([item], format, View(0.5)).read()
    assert data
    if format in ("coco", "coco-polygons", "csv", "labelme", "geojson"):
        assert LINK in data.decode()


def test_a_code_is_drawn_with_what_it_says(results: dict[str, Any]) -> None:
    plain = np.full((600, 800, 3), 255, np.uint8)
    named, bare = (annotate(plain.copy(), results, View(0.5, labels=labels)) for labels in (True, False))
    assert (bare != 255).any()
    assert (named != bare).any()
