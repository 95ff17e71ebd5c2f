"""What is taken as a photo and what is refused, with which error and before which cost."""

import hashlib
import io
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import BrokenPhoto, NoPhoto, NotAPhoto, PublicError, TooManyPixels, UploadTooLarge
from app.intake import Photo, decode, read_photo
from app.intake.formats import MAX_JPEG_SCANS
from tests.unit.photos import encode, jpeg, scene, stored_as

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]


def read(data: bytes, max_bytes: int = 16 * 2**20, max_pixels: int = 40_000_000) -> Photo:
    return read_photo(data, max_bytes=max_bytes, max_pixels=max_pixels)


@pytest.mark.parametrize("format", FORMATS)
def test_photos_are_known_by_their_content(format: str) -> None:
    data = encode(scene(31, 17), format)
    photo = read(data)
    assert (photo.format, photo.width, photo.height) == (format.lower(), 31, 17)
    assert photo.data is data
    assert photo.sha256 == hashlib.sha256(data).hexdigest()
    assert photo.md5 == hashlib.md5(data).hexdigest()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_width_and_height_are_those_of_the_upright_photo(format: str) -> None:
    photo = read(stored_as(scene(40, 30), 6, format))
    assert (photo.width, photo.height) == (40, 30)


def test_an_empty_file_is_not_a_photo() -> None:
    with pytest.raises(NoPhoto, match="empty"):
        read(b"")


def test_a_file_beyond_the_limit_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(UploadTooLarge, match=r"larger than 0\.5 MB"):
        read(b"\0" * (2**19 + 1), max_bytes=2**19)
    assert read(jpeg(), max_bytes=len(jpeg())).format == "jpeg"


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"BMW is a maker of cars, and this is a text about them.",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF88a" + bytes(50),
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0" * 1000,
        b"\xff\xd8",
        b"PK\x03\x04" + bytes(60),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    ],
)
def test_anything_else_is_not_a_photo(data: bytes) -> None:
    with pytest.raises(NotAPhoto, match="JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF, camera raw files and PDF work"):
        read(data)


@pytest.mark.parametrize("format", ["PPM", "ICO", "TGA", "PCX", "JPEG2000"])
def test_other_formats_that_pillow_knows_are_not_read(format: str) -> None:
    with pytest.raises(NotAPhoto):
        read(encode(scene(16, 16), format))


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_photo_is_broken(format: str) -> None:
    data = encode(scene(64, 64), format)
    for keep in (len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(BrokenPhoto):
            read(data[:keep])
        with pytest.raises(BrokenPhoto):
            decode(data[:keep])


@pytest.mark.parametrize("format", FORMATS)
def test_a_photo_cut_off_after_its_first_bytes_is_broken(format: str) -> None:
    with pytest.raises(BrokenPhoto):
        read(encode(scene(16, 16), format)[:20])


@pytest.mark.parametrize("format", FORMATS)
def test_too_many_pixels_are_refused(format: str) -> None:
    with pytest.raises(TooManyPixels, match=r"101 x 100 pixels; the maximum is 0\.01 million"):
        read(encode(scene(101, 100), format), max_pixels=10_000)
    assert read(encode(scene(100, 100), format), max_pixels=10_000).width == 100


def png_of(width: int, height: int) -> bytes:
    """A PNG that promises (width, height) pixels and holds one zero byte."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_pixels_are_judged_from_the_header_without_memory_for_them() -> None:
    for width, height in ((6000, 6700), (60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        tracemalloc.start()
        with pytest.raises(TooManyPixels):
            read(png_of(width, height))
        assert tracemalloc.get_traced_memory()[1] < 2**20
        tracemalloc.stop()


def test_a_header_that_promises_more_than_the_file_holds_is_broken() -> None:
    with pytest.raises(BrokenPhoto):
        read(png_of(1000, 1000))
    with pytest.raises(BrokenPhoto):
        read(png_of(0, 10))


def test_a_photo_too_long_to_be_shown_as_jpeg_is_refused() -> None:
    with pytest.raises(TooManyPixels, match="65,500"):
        read(encode(Image.new("1", (65_501, 1)), "PNG"))


def second_frame_header(data: bytes, width: int, height: int) -> bytes:
    start = data.index(b"\xff\xc0")
    header = data[start : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")]
    other = header[:5] + struct.pack(">HH", height, width) + header[9:]
    return data[:start] + header + other + data[start + len(header) :]


def test_a_jpeg_with_two_frame_headers_is_refused() -> None:
    with pytest.raises(BrokenPhoto):
        read(second_frame_header(jpeg(), 3000, 3000))
    with pytest.raises(BrokenPhoto):
        read(second_frame_header(jpeg(), 8, 8))


def progressive_with_scans(count: int) -> bytes:
    data = encode(scene(64, 64), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:-2] + data[start:-2] * count + b"\xff\xd9"


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    assert read(encode(scene(64, 64), "JPEG", progressive=True)).format == "jpeg"
    with pytest.raises(BrokenPhoto, match="no camera"):
        read(progressive_with_scans(MAX_JPEG_SCANS))


def test_scans_are_not_hidden_by_an_end_marker_inside_a_comment() -> None:
    data = progressive_with_scans(MAX_JPEG_SCANS)
    with pytest.raises(BrokenPhoto, match="no camera"):
        read(data[:2] + b"\xff\xfe\x00\x06\xff\xd9\xff\xd9" + data[2:])


def test_bytes_after_the_end_of_a_jpeg_do_no_harm() -> None:
    assert read(jpeg() + b"\xff\xda\xff\xc0" * 500).format == "jpeg"


def test_a_tiff_of_very_many_tiles_is_refused() -> None:
    entries = [(256, 3, 1, 500), (257, 3, 1, 500), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    entries += [(322, 3, 1, 1), (323, 3, 1, 1), (324, 4, 250_000, 200), (325, 4, 250_000, 200)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    with pytest.raises(BrokenPhoto):
        read(head.ljust(200, b"\0") + struct.pack("<I", 100) * 250_000)


@given(st.sampled_from(FORMATS), st.data())
@settings(max_examples=200, deadline=None)
def test_changed_bytes_give_a_photo_or_a_public_error(format: str, data: st.DataObject) -> None:
    file = bytearray(encode(scene(24, 18), format))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    outcome = photo_or_error(bytes(file))
    if isinstance(outcome, PublicError):
        assert 400 <= outcome.status < 500
        return
    try:
        assert decode(outcome.data).shape == (outcome.height, outcome.width, 3)
    except BrokenPhoto:
        assert outcome.format == "jpeg"  # Its check skips the last step of decoding.


def photo_or_error(data: bytes) -> Photo | PublicError:
    try:
        return read(data, max_pixels=1_000_000)
    except PublicError as error:
        return error


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"MM\0+"]),
)
@settings(max_examples=200, deadline=None)
def test_random_bytes_give_a_public_error(tail: bytes, head: bytes) -> None:
    with pytest.raises(PublicError) as caught:
        read(head + tail)
    assert caught.value.status in (400, 413, 415, 422)
    assert caught.value.message.endswith(".")


def test_reading_does_not_hold_on_to_the_file() -> None:
    data = jpeg()
    view = io.BytesIO(data)
    assert read(view.getvalue()).data == data
