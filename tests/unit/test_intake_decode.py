"""Pixels come out upright, RGB and 8 bits deep, whatever the file's format, mode and orientation."""

import errno
import io
import os
import resource
import struct
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from app.intake import decode
from app.intake.decode import upright
from tests.unit.photos import ORIENTATION, encode, scene, stored_as


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b).mean())


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF"])
def test_a_lossless_photo_comes_out_to_the_bit(format: str) -> None:
    rgb = scene(61, 47)
    decoded = decode(encode(rgb, format))
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, rgb)


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_opencv_and_pillow_give_the_same_pixels(format: str) -> None:
    data = encode(scene(123, 77), format, quality=90)
    assert np.array_equal(decode(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_a_large_photo_is_decoded_in_place_to_the_same_pixels(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored_as(scene(123, 77), 6, format)
    small = decode(data)
    monkeypatch.setattr(sys.modules["app.intake.decode"], "LARGE", 100)
    assert np.array_equal(decode(data), small)


def test_a_large_photo_is_decoded_where_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    data = stored_as(scene(123, 77), 6, "JPEG")
    small = decode(data)
    module = sys.modules["app.intake.decode"]
    monkeypatch.setattr(module, "LARGE", 100)
    monkeypatch.setattr(module.tempfile, "NamedTemporaryFile", full)
    assert np.array_equal(decode(data), small)


def test_a_large_photo_is_decoded_where_no_more_files_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored_as(scene(123, 77), 6, "JPEG")
    small = decode(data)
    monkeypatch.setattr(sys.modules["app.intake.decode"], "LARGE", 100)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = os.dup(0)
    os.close(last)
    resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, limits[1]))  # One more: the temporary file's own.
    try:
        decoded = decode(data)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert np.array_equal(decoded, small)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_comes_out_upright_once(format: str, orientation: int) -> None:
    rgb = scene(96, 64)
    options: dict[str, Any] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    decoded = decode(stored_as(rgb, orientation, format, **options))
    assert mean_difference(decoded, rgb) < (3 if format == "JPEG" else 0.01)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_a_tiff_is_not_turned_twice(compression: str) -> None:
    data = stored_as(scene(96, 64), 6, "TIFF", compression=compression)
    assert mean_difference(decode(data), scene(96, 64)) < 6


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_turning_agrees_with_pillow(width: int, height: int, orientation: int) -> None:
    rgb = scene(width, height)
    image = Image.fromarray(rgb)
    image.getexif()[ORIENTATION] = orientation
    assert np.array_equal(upright(rgb.copy(), orientation), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_out_of_range_turns_nothing(value: int) -> None:
    rgb = scene(30, 20)
    exif = Image.Exif()
    exif[ORIENTATION] = value
    assert np.array_equal(decode(encode(rgb, "PNG", exif=exif)), rgb)


def test_damaged_metadata_around_a_whole_photo_does_no_harm() -> None:
    rgb = scene(32, 32)
    data = encode(rgb, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff\xff", quality=95)
    assert mean_difference(decode(data), rgb) < 4


def test_very_long_photos_are_turned_too() -> None:
    rgb = scene(1, 60_000)
    assert np.array_equal(decode(stored_as(rgb, 6, "PNG")), rgb)


def test_alpha_is_laid_on_white() -> None:
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[..., 3] = [0, 51, 102, 153, 204, 255]
    for format, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})):
        decoded = decode(encode(rgba, format, **options))
        wanted = rgba[..., :3] * (rgba[..., 3:] / 255.0) + 255 * (1 - rgba[..., 3:] / 255.0)
        assert np.abs(decoded - wanted).max() <= 1, format


@pytest.mark.parametrize("mode", ["P", "RGB", "L", "LA", "PA"])
def test_transparent_places_of_other_modes_are_white(mode: str) -> None:
    if mode in ("LA", "PA"):
        image = Image.new(mode[0], (8, 8), 10)
        image.putalpha(0)
        data = encode(image, "PNG" if mode == "LA" else "TIFF")
    else:
        see_through = {"P": 0, "RGB": (1, 2, 3), "L": 7}[mode]
        image = Image.new(mode, (8, 8), see_through)
        if mode == "P":
            image.putpalette([1, 2, 3] * 256)
        data = encode(image, "PNG", transparency=see_through)
    assert (decode(data) == 255).all()


def test_premultiplied_alpha_is_undone() -> None:
    rgba = np.full((4, 4, 4), (100, 50, 0, 128), np.uint8)
    premultiplied = Image.fromarray(rgba).convert("RGBa")
    straight = decode(encode(rgba, "PNG"))
    file = bytearray(encode(rgba, "TIFF"))
    position = file.index(rgba.tobytes())
    file[position : position + rgba.size] = premultiplied.tobytes()
    tag = file.index(struct.pack("<HHI", 338, 3, 1))  # ExtraSamples: 2 is straight alpha, 1 is premultiplied.
    file[tag + 8 : tag + 10] = struct.pack("<H", 1)
    assert np.abs(decode(bytes(file)).astype(int) - straight).max() <= 2


def test_cmyk_is_read_with_and_without_adobes_inversion() -> None:
    rgb = scene(40, 40)
    image = Image.fromarray(rgb).convert("CMYK")
    assert mean_difference(decode(encode(image, "TIFF")), rgb) < 2
    adobe = encode(image, "JPEG", quality=95)  # Pillow writes CMYK as Adobe does: inverted, with the marker.
    assert b"Adobe" in adobe
    assert mean_difference(decode(adobe), rgb) < 6


@pytest.mark.parametrize(("format", "order"), [("PNG", ">"), ("TIFF", "<"), ("TIFF", ">")])
def test_sixteen_bits_are_scaled_to_eight(format: str, order: str) -> None:
    ramp = np.linspace(0, 65535, 256).reshape(16, 16)
    image = Image.frombytes("I;16B" if order == ">" else "I;16", (16, 16), ramp.astype(f"{order}u2").tobytes())
    if format == "PNG":
        image = Image.frombytes("I;16", (16, 16), ramp.astype("<u2").tobytes())
    decoded = decode(encode(image, format))
    assert np.abs(decoded - (ramp / 257)[..., None]).max() <= 1


def test_sixteen_bit_colour_is_scaled_to_eight() -> None:
    import cv2

    rgb = scene(20, 20)
    for extension in (".png", ".tiff"):
        deep = cv2.imencode(extension, rgb[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
        assert np.array_equal(decode(deep), rgb), extension


def test_floating_point_and_32_bit_tiffs_are_scaled_by_their_range() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    broken = ramp.copy()
    broken[0, 0] = np.nan
    for pixels, mode in (
        (ramp, "F"),
        (ramp * 255, "F"),
        (ramp * 65535, "I"),
        (ramp * 2**31 * 0.99, "I"),
        (broken, "F"),
    ):
        image = Image.fromarray(pixels.astype(np.int32 if mode == "I" else np.float32))
        decoded = decode(encode(image, "TIFF"))
        assert decoded.min() == 0, mode
        assert decoded.max() == 255, mode
        assert np.abs(decoded[..., 0].astype(float) - ramp * 255).max() <= 1.5, mode


def test_unsigned_32_bit_tiffs_keep_their_samples_above_half_of_their_range() -> None:
    ramp = np.linspace(0, 2**32 - 1, 256).astype(np.uint32).reshape(16, 16)
    signed = encode(Image.fromarray(ramp.view(np.int32)), "TIFF")
    entry = struct.pack("<HHI", 339, 3, 1)  # SampleFormat: 2 is signed, 1 is not.
    decoded = decode(signed.replace(entry + b"\2", entry + b"\1"))
    assert np.abs(decoded[..., 0].astype(float) - np.arange(256).reshape(16, 16)).max() <= 1


def test_one_bit_grey_and_palette_photos_become_rgb() -> None:
    rgb = scene(33, 21)
    image = Image.fromarray(rgb)
    for mode, format in (
        ("1", "PNG"),
        ("1", "TIFF"),
        ("1", "BMP"),
        ("L", "JPEG"),
        ("L", "PNG"),
        ("P", "GIF"),
        ("P", "PNG"),
    ):
        converted = image.convert(mode)
        tolerance = 4 if format == "JPEG" else 0
        decoded = decode(encode(converted, format, **({"quality": 95} if format == "JPEG" else {})))
        wanted = np.asarray(converted.convert("RGB")).astype(int)
        assert np.abs(decoded - wanted).mean() <= tolerance, (mode, format)


def test_lab_and_ycbcr_tiffs_have_their_colours() -> None:
    from PIL import ImageCms

    rgb = np.full((8, 8, 3), (200, 60, 30), np.uint8)
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(rgb), *profiles, outputMode="LAB")
    assert lab is not None
    assert np.abs(decode(encode(lab, "TIFF")).astype(int) - rgb).max() <= 3
    assert np.abs(decode(encode(Image.fromarray(rgb).convert("YCbCr"), "TIFF")).astype(int) - rgb).max() <= 3


def test_only_the_first_frame_of_an_animation_counts() -> None:
    first, second = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (20, 10), "blue")
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if format == "WEBP" else {}
        decoded = decode(encode(first, format, save_all=True, append_images=[second], **options))
        assert (decoded == (255, 0, 0)).all(), format


def test_a_jpeg_of_several_pictures_is_its_first_one() -> None:
    first, second = Image.new("RGB", (32, 16), "red"), Image.new("RGB", (32, 16), "blue")
    decoded = decode(encode(first, "MPO", save_all=True, append_images=[second]))
    assert mean_difference(decoded, np.full((16, 32, 3), (255, 0, 0))) < 3


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"]),
    st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]),
    st.integers(1, 8),
)
@settings(max_examples=120, deadline=None)
def test_whatever_pillow_can_write_is_read_at_its_upright_size(
    width: int, height: int, mode: str, format: str, orientation: int
) -> None:
    image = Image.fromarray(scene(width, height))
    image = Image.new(mode, (width, height), 40_000) if mode == "I;16" else image.convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    try:
        data = encode(image, format, exif=exif)
    except (OSError, KeyError, ValueError):
        return  # This format has no such mode.
    turned = orientation >= 5 and format not in ("GIF", "BMP")
    assert decode(data).shape == ((width, height, 3) if turned else (height, width, 3))
