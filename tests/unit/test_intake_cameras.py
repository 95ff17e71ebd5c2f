"""What phones, cameras and scanners make: HEIC, AVIF, raw files, TIFFs with a thumbnail first, and PDF."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BrokenPhoto, Busy, EntryRefused, NotAPhoto, PublicError, TooManyPixels
from app.intake import Photo, decode, native, read_photo
from app.intake.archive import Entry
from app.intake.develop import ALL_PAGES, is_pdf, unfolded
from app.intake.formats import sniff
from tests.conftest import ROOT
from tests.fixtures.profiles import DISPLAY_P3, profile
from tests.fixtures.tiffs import Page, dng, jpeg_page, picture, sensor, tiff
from tests.unit.photos import encode, pdf, scene, sheet, stored_as

FOLDER = ROOT / "tests" / "fixtures" / "photos"
PLAIN = (FOLDER / "plain.heic").read_bytes()
LIMITS = {"max_bytes": 2**24, "max_pixels": 10**6}
LARGE, SMALL = scene(96, 64), scene(24, 16)
GREY = np.repeat(scene(320, 240)[..., :1], 3, 2)
SENSOR = sensor(GREY[..., 0].astype(np.uint16) * 257)


def read(data: bytes, max_pixels: int = 1_000_000) -> Photo:
    return read_photo(data, max_bytes=2**24, max_pixels=max_pixels)


def pixels(data: bytes) -> np.ndarray:
    """What a person sees of a file: read as an upload is, then decoded."""
    photo = read(data)
    rgb = decode(photo.data)
    assert rgb.shape == (photo.height, photo.width, 3)
    return rgb.astype(int)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b).mean())


def avif(rgb: np.ndarray = LARGE, **options: Any) -> bytes:
    return encode(rgb, "AVIF", **{"quality": 100, "subsampling": "4:4:4", **options})


def pages_of(data: bytes, max_photos: int = 9) -> list[Entry]:
    return list(unfolded(Entry("scans/scan.pdf", data), max_photos=max_photos, **LIMITS))


@pytest.mark.parametrize("name", ["plain", "deep", *(f"turned_{orientation}" for orientation in range(2, 9))])
def test_heic_is_read_upright(name: str) -> None:
    data = (FOLDER / f"{name}.heic").read_bytes()
    photo = read(data)
    assert (photo.format, photo.width, photo.height, photo.data) == ("heic", 96, 64, data)
    assert difference(pixels(data), LARGE) < 1


def test_transparent_places_of_heic_are_white() -> None:
    rgb = pixels((FOLDER / "alpha.heic").read_bytes())
    assert (rgb[:, 60:] >= 254).all()
    assert np.abs(rgb[:, :40] - (200, 60, 20)).max() <= 3


def test_display_p3_of_a_phone_is_brought_to_srgb() -> None:
    rgb = pixels((FOLDER / "p3.heic").read_bytes())
    assert np.abs(rgb - (219, 14, 35)).max() <= 4
    assert (
        np.abs(
            pixels(avif(np.full((32, 32, 3), (200, 50, 50), np.uint8), icc_profile=profile(DISPLAY_P3))) - (219, 14, 35)
        ).max()
        <= 5
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_read_upright(orientation: int) -> None:
    data = stored_as(LARGE, orientation, "AVIF", quality=100, subsampling="4:4:4")
    photo = read(data)
    assert (photo.format, photo.width, photo.height) == ("avif", 96, 64)
    assert difference(pixels(data), LARGE) < 2


@pytest.mark.parametrize("prefix", [b"tiff", b"any"])
def test_an_orientation_in_the_xmp_of_an_avif_counts_for_nothing(prefix: bytes) -> None:
    xmp = b'<x xmlns:%s="http://ns.adobe.com/tiff/1.0/" %s:Orientation="6"/>' % (prefix, prefix)
    data = avif(xmp=xmp)
    assert (read(data).width, read(data).height) == (96, 64)
    assert difference(pixels(data), LARGE) < 2


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "avif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
    ],
)
def test_the_brands_of_a_file_tell_heic_from_avif(head: bytes, format: str) -> None:
    assert sniff(head) == format
    with pytest.raises(BrokenPhoto):
        read(head + bytes(50))


@pytest.mark.parametrize("head", [b"\0\0\0\x18ftypisom\0\0\0\0isommp42", b"\0\0\0\x14ftypqt  \0\0\0\0qt  "])
def test_a_video_is_not_a_photo(head: bytes) -> None:
    with pytest.raises(NotAPhoto):
        read(head + bytes(50))


@pytest.mark.parametrize("head", [b"\xff\x0a\xfa\x1f", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl "])
def test_jpeg_xl_is_told_what_to_do(head: bytes) -> None:
    with pytest.raises(NotAPhoto, match="JPEG XL"):
        read(head + bytes(50))


@pytest.mark.parametrize("data", [PLAIN, avif(), dng(SMALL, SENSOR)], ids=["heic", "avif", "dng"])
def test_too_many_pixels_are_refused_from_the_header(data: bytes) -> None:
    with pytest.raises(TooManyPixels, match=r"pixels; the maximum is 0\.005 million"):
        read(data, max_pixels=5_000)


def test_the_full_size_jpeg_inside_a_raw_file_is_the_photo() -> None:
    inside = encode(scene(320, 240), "JPEG", quality=90)
    photo = read(dng(SMALL, SENSOR, jpeg_page(inside, 320, 240)))
    assert (photo.format, photo.width, photo.height) == ("jpeg", 320, 240)
    assert np.array_equal(decode(photo.data), decode(inside))
    assert read(photo.data).sha256 == photo.sha256


def test_the_jpeg_inside_a_raw_file_is_turned_as_the_camera_was_held() -> None:
    inside = encode(np.rot90(scene(240, 320)), "JPEG", quality=90)
    rgb = pixels(dng(SMALL, SENSOR, jpeg_page(inside, 320, 240), orientation=6))
    assert difference(rgb, scene(240, 320)) < 3


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_file_without_a_full_size_picture_is_developed_and_turned(orientation: int) -> None:
    small = encode(SMALL, "JPEG")
    rgb = pixels(dng(SMALL, SENSOR, jpeg_page(small, 24, 16), orientation=orientation))
    turned = {1: GREY, 3: np.rot90(GREY, 2), 6: np.rot90(GREY, -1), 8: np.rot90(GREY)}[orientation]
    assert rgb.shape == turned.shape
    # Developing brightens; dark and bright stay where they were.
    assert np.corrcoef(rgb[..., 1].ravel(), turned[..., 1].ravel())[0, 1] > 0.9


def test_a_raw_file_that_cannot_be_developed_is_told_what_to_do() -> None:
    for data in (b"FUJIFILMCCD-RAW 0201" + bytes(500), dng(SMALL, SENSOR)[:3000], b"IIU\0" + bytes(100)):
        with pytest.raises(BrokenPhoto, match="as JPEG"):
            read(data)


@pytest.mark.parametrize(
    "data",
    [
        tiff(picture(SMALL, subfile=1), picture(LARGE)),
        tiff(picture(SMALL), picture(LARGE)),
        tiff(picture(SMALL), picture(SMALL), picture(LARGE), picture(SMALL)),
        tiff(Page(SMALL, picture(SMALL, subfile=1).tags, [picture(LARGE, subfile=0)])),
    ],
    ids=["marked", "small", "among others", "child"],
)
def test_a_thumbnail_on_the_first_page_is_not_the_photo(data: bytes) -> None:
    assert np.array_equal(pixels(data), LARGE)


def test_the_first_page_is_the_photo_where_it_is_no_thumbnail() -> None:
    other = scene(100, 66)[::-1]
    assert np.array_equal(pixels(tiff(picture(LARGE), picture(np.ascontiguousarray(other)))), LARGE)
    assert np.array_equal(pixels(tiff(picture(LARGE, subfile=1))), LARGE)
    assert np.array_equal(pixels(tiff(picture(LARGE), picture(scene(300, 200), subfile=4))), LARGE)


def test_the_largest_page_counts_against_the_limit_and_is_turned() -> None:
    data = tiff(picture(SMALL, subfile=1), picture(np.ascontiguousarray(np.rot90(LARGE)), orientation=6))
    assert np.array_equal(pixels(data), LARGE)
    with pytest.raises(TooManyPixels):
        read(data, max_pixels=5000)


def test_pages_in_a_circle_end() -> None:
    data = bytearray(tiff(picture(SMALL, subfile=1), picture(LARGE)))
    data[-4:] = data[4:8]
    assert np.array_equal(pixels(bytes(data)), LARGE)


def test_a_pdf_of_one_page_is_a_photo_at_200_dots_per_inch() -> None:
    photo = read(pdf(sheet("red", 72, 144)))
    assert (photo.format, photo.width, photo.height) == ("jpeg", 200, 400)
    assert np.abs(decode(photo.data).astype(int) - (254, 0, 0)).max() <= 2


def test_every_page_of_a_pdf_is_a_photo_of_its_own() -> None:
    pages = pages_of(pdf(sheet("red"), sheet("lime"), sheet("blue")))
    assert [page.name for page in pages] == [f"scans/scan_page_{number}.jpg" for number in (1, 2, 3)]
    for page, colour in zip(pages, [(254, 0, 0), (0, 255, 1), (0, 0, 254)], strict=True):
        assert np.abs(pixels(page.content()) - colour).max() <= 2


def test_a_pdf_of_one_page_keeps_its_name() -> None:
    (page,) = pages_of(pdf(sheet("red")))
    assert page.name == "scans/scan.pdf"
    assert pixels(page.content()).shape[2] == 3


def test_pages_beyond_the_limit_are_refused_together() -> None:
    *taken, rest = pages_of(pdf(*[sheet("red")] * 12), max_photos=2)
    assert [page.name for page in taken] == ["scans/scan_page_01.jpg", "scans/scan_page_02.jpg"]
    assert rest.name == "scans/scan.pdf, from page 3"
    with pytest.raises(EntryRefused, match="too many"):
        rest.content()


def test_a_pdf_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["app.intake.develop"], "ALL_PAGES", -ALL_PAGES)
    (rest,) = pages_of(pdf(*[sheet("red")] * 3))
    with pytest.raises(EntryRefused, match="take longer"):
        rest.content()


def test_files_that_are_no_pdf_come_as_they_are_within_the_limit() -> None:
    entry = Entry("a.heic", PLAIN)
    assert list(unfolded(entry, max_photos=1, **LIMITS)) == [entry]
    (refused,) = unfolded(entry, max_photos=0, **LIMITS)
    with pytest.raises(EntryRefused):
        refused.content()


def test_a_damaged_pdf_is_refused_by_its_name() -> None:
    (refused,) = pages_of(b"%PDF-1.7\nnothing")
    assert refused.name == "scans/scan.pdf"
    with pytest.raises(BrokenPhoto):
        refused.content()


def test_a_pdf_of_several_pages_is_not_one_photo() -> None:
    with pytest.raises(BrokenPhoto, match="has 2 pages"):
        read(pdf(sheet("red"), sheet("blue")))


def test_a_huge_page_is_drawn_within_the_limits() -> None:
    for width, height in ((5000, 4000), (14_000, 10)):
        photo = read(pdf(sheet("red", width, height)), max_pixels=200_000)
        assert photo.width * photo.height <= 200_000
        assert photo.width / photo.height == pytest.approx(width / height, rel=0.2)


def test_text_of_a_pdf_is_drawn_large_enough_to_be_read() -> None:
    text = b"BT /F1 12 Tf 20 20 Td (Flask Detector) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 144 72]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>/Rotate 90>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    body = b"".join(b"%d 0 obj%s endobj\n" % (number, content) for number, content in enumerate(objects, 1))
    rgb = pixels(b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R>>")
    assert rgb.shape == (400, 200, 3)
    rows = np.flatnonzero((rgb.max(2) < 200).any(1))
    assert 190 < rows[-1] - rows[0] < 240  # The line is 78 points long and runs downwards.


def test_a_pdf_with_a_password_is_told_so() -> None:
    with pytest.raises(BrokenPhoto, match="password"):
        read((FOLDER / "locked.pdf").read_bytes())


def test_a_pdf_may_begin_late_and_text_about_pdf_is_not_one() -> None:
    assert is_pdf(b"\n" * 500 + b"%PDF-1.7")
    assert not is_pdf(b"PDF-1.7 is a format")
    assert read(b"\xef\xbb\xbf\n" + pdf(sheet("red"))).width > 0


FILES = {
    "heic": PLAIN,
    "avif": avif(quality=60),
    "dng": dng(SMALL, SENSOR),
    "raw with jpeg": dng(SMALL, SENSOR, jpeg_page(encode(scene(320, 240), "JPEG"), 320, 240)),
    "tiff": tiff(picture(SMALL, subfile=1), picture(LARGE)),
    "pdf": pdf(sheet("red"), sheet("blue")),
}


def outcome(data: bytes) -> Photo | PublicError:
    """A photo, which decodes, or the error that its sender sees. Anything else fails the test."""
    try:
        photo = read(pages_of(data, max_photos=1)[0].content())
        decode(photo.data)
    except PublicError as error:
        return error
    return photo


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_off_anywhere_is_a_photo_or_a_public_error(name: str) -> None:
    data = FILES[name]
    places = np.linspace(1, len(data) - 1, 50).astype(int)
    with ThreadPoolExecutor(native.AT_ONCE) as threads:
        outcomes = list(threads.map(lambda keep: outcome(data[:keep]), places))
    assert {error.status for error in outcomes if isinstance(error, PublicError)} <= {400, 413, 415, 422}
    assert isinstance(outcomes[25], PublicError)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@given(st.data())
@settings(max_examples=8, deadline=None)
def test_changed_bytes_are_a_photo_or_a_public_error(name: str, data: st.DataObject) -> None:
    file = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    result = outcome(bytes(file))
    assert isinstance(result, Photo) or 400 <= result.status < 500


def test_a_decoder_that_crashes_ends_nothing_but_its_own_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "crash.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(native, "_SCRIPT", script)
    with pytest.raises(BrokenPhoto):
        read(PLAIN)


def test_a_decoder_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "hang.py"
    script.write_text("import threading\nthreading.Event().wait()\n")
    monkeypatch.setattr(native, "_SCRIPT", script)
    monkeypatch.setattr(native, "SECONDS", 0.2)
    with pytest.raises(BrokenPhoto, match="too long"):
        read(PLAIN)


def test_whoever_waits_too_long_for_a_process_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_slots", threading.BoundedSemaphore(1))
    monkeypatch.setattr(native, "SECONDS", 0.01)
    with native._slots, pytest.raises(Busy) as refused:
        read(PLAIN)
    assert refused.value.headers["Retry-After"]


def test_where_no_process_can_be_started_the_sender_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Busy):
        read(PLAIN)


def test_a_decoder_does_not_get_the_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "environment.py"
    script.write_text(
        "import json, os\nprint(json.dumps({'width': len(os.environ.get('SECRET_KEY', '')), 'height': 1}))\n"
    )
    monkeypatch.setattr(native, "_SCRIPT", script)
    monkeypatch.setenv("SECRET_KEY", "secret")
    assert native.check(PLAIN, "heic", 10**6) == (0, 1)


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE"])
def test_a_decoder_has_limits(limit: str) -> None:
    script = f"""
import resource, sys
sys.path.insert(0, {str(native._SCRIPT.parent)!r})
import native_process
native_process.limit(1_000_000, 30)
print(resource.getrlimit(resource.{limit}) != (resource.RLIM_INFINITY,) * 2)
"""
    ran = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "True"


def test_the_web_process_starts_without_the_libraries() -> None:
    script = "import sys, app; app.create_app; print({'pi_heif', 'rawpy', 'pypdfium2'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_a_heic_whose_extra_pictures_are_damaged_is_a_photo_for_the_check_and_for_the_decoder() -> None:
    data = (FOLDER / "alpha.heic").read_bytes()
    damaged = data.replace(b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:hevc:2015:aux\xa5d:1")
    photo = read_photo(damaged, max_bytes=10**6, max_pixels=10**6)
    assert decode(damaged).shape == (photo.height, photo.width, 3)
