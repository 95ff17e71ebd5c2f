"""Faults that browsers look past are looked past here too; a photo that lacks pixels stays broken."""

import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import BrokenPhoto
from app.intake import decode, read_photo
from app.intake.repair import repair_png
from tests.unit.photos import encode, scene

MB = 2**20
RGB = scene(40, 30)
PNG = encode(RGB, "PNG")
EXIF = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)


def chunk(kind: bytes, body: bytes, *, damaged: bool = False) -> bytes:
    checksum = zlib.crc32(kind + body) ^ damaged
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def with_chunk(made: bytes, png: bytes = PNG) -> bytes:
    """The PNG with a chunk more behind its header."""
    return png[:33] + made + png[33:]


def read(data: bytes) -> tuple[int, int]:
    photo = read_photo(data, max_bytes=16 * MB, max_pixels=1_000_000)
    return photo.width, photo.height


def packed(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


@pytest.mark.parametrize(
    "body",
    [
        chunk(b"zTXt", b"comment\0\0" + packed(2 * MB)),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + packed(5 * MB)),
        chunk(b"iTXt", b"comment\0\1\0\0\0" + packed(2 * MB)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed(5 * MB)),
        chunk(b"iCCP", b"wide\0\0" + packed(2 * MB)),
        chunk(b"iCCP", b"wide\0\0" + packed(5 * MB)),
        chunk(b"tEXt", b"comment\0" + b"x" * 2 * MB),
    ],
    ids=["zTXt", "old exif", "iTXt", "xmp", "icc", "huge icc", "tEXt"],
)
def test_a_png_with_much_text_or_a_large_profile_is_read(body: bytes) -> None:
    data = with_chunk(body)
    assert read(data) == (40, 30)
    assert np.array_equal(decode(data), RGB)


@pytest.mark.parametrize("kind", [b"tRNS", b"eXIf", b"iCCP", b"tEXt", b"gAMA", b"cHRM", b"pHYs", b"tIME", b"acTL"])
def test_a_png_with_a_damaged_chunk_that_it_can_do_without_is_read(kind: bytes) -> None:
    for body in (bytes(20), b""):
        data = with_chunk(chunk(kind, body, damaged=True))
        assert read(data) == (40, 30)
        assert np.array_equal(decode(data), RGB)


@pytest.mark.parametrize("kind", [b"gAMA", b"cHRM", b"pHYs", b"iCCP", b"zTXt", b"iTXt", b"fcTL"])
def test_a_png_with_a_chunk_that_makes_no_sense_is_read(kind: bytes) -> None:
    assert np.array_equal(decode(with_chunk(chunk(kind, b"\1"))), RGB)


@pytest.mark.parametrize("kind", [b"IDAT", b"IHDR", b"PLTE"])
def test_a_png_with_a_damaged_chunk_that_it_needs_is_broken(kind: bytes) -> None:
    data = encode(Image.fromarray(RGB).convert("P"), "PNG") if kind == b"PLTE" else PNG
    place = data.index(kind) + 4
    with pytest.raises(BrokenPhoto):
        read(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])


def test_a_sound_png_keeps_its_colours_transparency_and_orientation() -> None:
    for made in (chunk(b"eXIf", EXIF), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp('tiff:Orientation="6"'))):
        assert read(with_chunk(chunk(b"pHYs", b"\1"), with_chunk(made))) == (30, 40)
    profile = with_chunk(chunk(b"iCCP", b"wide\0\0" + packed(2 * MB)))
    assert repair_png(profile) == profile
    assert (decode(encode(Image.new("L", (8, 8), 7), "PNG", transparency=7)) == 255).all()


def test_a_text_bomb_in_a_png_is_not_unfolded() -> None:
    bomb = with_chunk(chunk(b"iCCP", b"wide\0\0" + packed(400 * MB)))
    tracemalloc.start()
    assert read(bomb) == (40, 30)
    assert tracemalloc.get_traced_memory()[1] < 20 * MB
    tracemalloc.stop()


JPEGS: dict[str, dict[str, Any]] = {
    "baseline": {"quality": 90},
    "full colour": {"quality": 90, "subsampling": 0},
    "progressive": {"quality": 90, "progressive": True},
    "restarts": {"quality": 60, "restart_marker_rows": 1},
}


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_without_its_end_marker_is_the_photo_that_it_was(kind: str, mode: str) -> None:
    whole = encode(Image.fromarray(scene(200, 120)).convert(mode), "JPEG", **JPEGS[kind])
    assert read(whole[:-2]) == read(whole[:-1]) == (200, 120)
    assert np.array_equal(decode(whole[:-2]), decode(whole))


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_that_lacks_pixels_is_broken_wherever_it_was_cut(kind: str, mode: str) -> None:
    whole = encode(Image.fromarray(scene(200, 120)).convert(mode), "JPEG", **JPEGS[kind])
    for share in range(1, 50):
        with pytest.raises(BrokenPhoto):
            read(whole[: len(whole) * share // 50])


def test_a_progressive_jpeg_that_lacks_its_last_scans_is_broken() -> None:
    whole = encode(scene(200, 120), "JPEG", progressive=True)
    with pytest.raises(BrokenPhoto):
        read(whole[: whole.rindex(b"\xff\xda")])


def xmp(orientation: str, inside: str = "") -> bytes:
    names = "xmlns:tiff=\"http://ns.adobe.com/tiff/1.0/\" xmlns:t = 'http://ns.adobe.com/tiff/1.0/'"
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {names} {orientation}>{inside}</x:xmpmeta>'.encode()


def first_name(made: bytes) -> bytes:
    return made.replace(b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"', b"")


SPELLINGS = {
    "attribute": xmp('tiff:Orientation="6"'),
    "element": xmp("", "<tiff:Orientation>6</tiff:Orientation>"),
    "other quotes": xmp("tiff:Orientation='6'"),
    "blanks": xmp('tiff:Orientation = "6"'),
    "lines": xmp("", "<tiff:Orientation>\n  6\n</tiff:Orientation>"),
    "other prefix": first_name(xmp("t:Orientation='6'")),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_a_photo_turned_by_xmp_alone_comes_out_upright(format: str, spelling: str) -> None:
    data = encode(RGB, format, xmp=SPELLINGS[spelling])
    assert read(data) == (30, 40)
    assert decode(data).shape == (40, 30, 3)


def test_exif_counts_before_xmp_and_other_orientations_of_xmp_do_not_count() -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    assert read(encode(RGB, "JPEG", xmp=SPELLINGS["attribute"], exif=exif)) == (40, 30)
    for other in ("t:Orientation='9'", "x:Orientation='6'", "t:Orientation='60'"):
        assert read(encode(RGB, "JPEG", xmp=first_name(xmp(other)))) == (40, 30)


@given(st.binary(max_size=80).map(bytearray), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_whatever_is_changed_in_a_png_it_mends_without_an_error(noise: bytearray, place: int) -> None:
    data = bytearray(PNG)
    start = place % len(data)
    data[start : start + len(noise)] = noise
    made = repair_png(bytes(data))
    assert made[:8] == data[:8]
    assert repair_png(made) == made
