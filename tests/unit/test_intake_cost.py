"""Small files that would cost much: refused, or read in the cheaper of two ways."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import BrokenPhoto, EntryRefused, PublicError, TooManyPixels
from app.intake import decode, read_photo
from app.intake.archive import Entry, read_archive
from app.intake.clock import ALL_PHOTOS, Clock
from app.intake.formats import MAX_JPEG_FILL, MAX_JPEG_JUNK, MAX_JPEG_SEGMENTS
from app.intake.repair import MAX_CHUNKS
from app.intake.webp import first_frame
from tests.unit.photos import encode, jpeg, scene
from tests.unit.test_archive import PHOTO, zipped

MB = 2**20


def read(data: bytes) -> tuple[int, int]:
    photo = read_photo(data, max_bytes=16 * MB, max_pixels=1_000_000)
    return photo.width, photo.height


def filled(filler: bytes, count: int) -> bytes:
    """A JPEG with so many fillers behind its first segment."""
    data = jpeg(40, 30)
    end = 4 + int.from_bytes(data[4:6])
    return data[:end] + filler * count + data[end:]


@pytest.mark.parametrize(
    ("filler", "most"),
    [
        (b"\xff", MAX_JPEG_FILL - 1),
        (b"\xff\xe1\x00\x02", MAX_JPEG_SEGMENTS - 20),
        (b"\xff\xd0", MAX_JPEG_SEGMENTS - 20),
        (b"\xff\x00", MAX_JPEG_SEGMENTS - 20),
        (b"\x00", MAX_JPEG_JUNK),
    ],
    ids=["fill bytes", "segments", "markers alone", "escaped bytes", "junk"],
)
def test_a_jpeg_of_fillers_is_refused_before_pillow_walks_through_them(
    filler: bytes, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(filled(filler, most)) == (40, 30)

    def walk(*_: Any, **__: Any) -> None:
        raise AssertionError("Pillow opened it")

    monkeypatch.setattr(Image, "open", walk)
    with pytest.raises(BrokenPhoto, match="a structure that no camera uses"):
        read(filled(filler, 15 * MB // len(filler)))


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize("kind", [b"tEXt", b"IDAT", b"ABcD"])
def test_a_png_of_very_many_chunks_is_refused(kind: bytes) -> None:
    data = encode(scene(40, 30), "PNG")
    start = data.index(b"IDAT") - 4
    assert read(data[:start] + chunk(kind) * 1000 + data[start:]) == (40, 30)
    with pytest.raises(BrokenPhoto, match="a structure that no program writes"):
        read(data[:start] + chunk(kind) * MAX_CHUNKS + data[start:])


def picture(transparent: bool) -> np.ndarray:
    """(60, 80, 4) RGBA, transparent around a patch or everywhere opaque."""
    rgba = np.random.default_rng(0).integers(0, 256, (60, 80, 4), np.uint8)
    rgba[..., 3] = 255
    if transparent:
        rgba[:20] = rgba[40:] = rgba[:, :30] = 0
        rgba[25:30, 40:50, 3] = 100
    return rgba


def animated(first: np.ndarray, **options: Any) -> bytes:
    """An animated WebP of three frames."""
    others = [Image.fromarray(first[::-1]), Image.fromarray(255 - first)]
    file = io.BytesIO()
    Image.fromarray(first).save(file, "WEBP", save_all=True, append_images=others, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}], ids=["lossless", "lossy"])
@pytest.mark.parametrize("transparent", [True, False])
def test_the_first_frame_of_an_animated_webp_is_what_the_animation_decoder_shows(
    transparent: bool, options: dict[str, Any]
) -> None:
    data = animated(picture(transparent), **options)
    with Image.open(io.BytesIO(data)) as image:
        shown = image.convert("RGBA")
    page = Image.new("RGB", shown.size, (255, 255, 255))
    page.paste(shown, mask=shown.getchannel("A"))
    assert read(data) == (80, 60)
    assert np.abs(decode(data).astype(int) - np.asarray(page)).max() <= 1


def test_the_first_frame_is_a_still_file_with_the_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = animated(picture(transparent=False), exif=exif, icc_profile=b"profile")
    frame = first_frame(data)
    assert frame is not None
    with Image.open(io.BytesIO(frame.data)) as image:
        assert (getattr(image, "n_frames", 1), image.size, image.mode) == (1, (80, 60), "RGB")
        assert image.info["icc_profile"] == b"profile"
    assert read(data) == (60, 80)
    assert decode(data).shape == (80, 60, 3)
    assert first_frame(encode(scene(8, 8), "WEBP")) is None


def test_the_whole_picture_counts_and_not_the_frame() -> None:
    data = bytearray(animated(picture(transparent=True), lossless=True))
    data[24:30] = (4999).to_bytes(3, "little") * 2
    with pytest.raises(TooManyPixels):
        read(bytes(data))


def size_or_status(data: bytes) -> tuple[tuple[int, int] | None, int]:
    try:
        return read(data), 0
    except PublicError as error:
        return None, error.status


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_animation_is_a_photo_or_a_public_error(data: st.DataObject) -> None:
    file = bytearray(ANIMATION)
    for _ in range(data.draw(st.integers(1, 4))):
        file[data.draw(st.integers(0, 120))] = data.draw(st.integers(0, 255))
    size, status = size_or_status(bytes(file))
    if size:
        assert decode(bytes(file)).shape == (size[1], size[0], 3)
    assert size or 400 <= status < 500


ANIMATION = animated(picture(transparent=True), lossless=True)


def test_one_clock_runs_for_all_photos_of_a_zip() -> None:
    now = iter([0.0, 1.0, ALL_PHOTOS - 1, ALL_PHOTOS, ALL_PHOTOS + 1])
    data = zipped(*((f"{n}.jpg", PHOTO) for n in range(4)))
    clock = Clock(now=lambda: next(now))
    entries = list(read_archive(data, max_photos=9, max_bytes=MB, max_total=MB, clock=clock))
    assert entries[:2] == [Entry("0.jpg", PHOTO), Entry("1.jpg", PHOTO)]
    assert [type(entry.error) for entry in entries[2:]] == [EntryRefused] * 2
    assert "longer than 300 seconds" in str(entries[3].error)
