"""Photos of a wide gamut are shown in sRGB; whatever their profile says, the photo opens."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from app.intake import decode, read_photo
from app.intake.colour import MAX_PROFILE, to_srgb
from tests.fixtures.profiles import ADOBE_RGB, DISPLAY_P3, profile
from tests.unit.photos import encode, scene

# A red of a Display P3 photo with a gamma of 2.2, and as sRGB by the matrices of CSS Color 4, section 18.
P3_RED, SRGB_RED = (200, 50, 50), (219, 14, 35)


def flat(colour: tuple[int, int, int], format: str, colorants: tuple) -> bytes:
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 100}}
    rgb = np.full((16, 16, 3), colour, np.uint8)
    return encode(rgb, format, icc_profile=profile(colorants), **options.get(format, {}))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_display_p3_is_brought_to_srgb(format: str) -> None:
    decoded = decode(flat(P3_RED, format, DISPLAY_P3)).astype(int)
    assert np.abs(decoded - SRGB_RED).max() <= 4, decoded[0, 0]


def test_adobe_rgb_is_brought_to_srgb() -> None:
    r, g, b = decode(flat((100, 180, 100), "PNG", ADOBE_RGB))[0, 0].astype(int)
    assert r < 60
    assert abs(g - 181) <= 2
    assert b < 100


@pytest.mark.parametrize("grey", [0, 1, 77, 128, 254, 255])
def test_greys_stay_greys(grey: int) -> None:
    decoded = decode(flat((grey, grey, grey), "PNG", DISPLAY_P3)).astype(int)
    assert np.ptp(decoded) <= 1
    assert abs(decoded[0, 0, 0] - grey) <= 3


def test_a_photo_that_is_srgb_already_keeps_its_pixels_to_the_bit() -> None:
    rgb = scene(64, 48)
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(decode(encode(rgb, "PNG", icc_profile=own)), rgb)
    assert np.array_equal(decode(encode(rgb, "PNG", icc_profile=None)), rgb)


def test_a_small_picture_has_the_same_colours() -> None:
    rgb = np.full((400, 400, 3), P3_RED, np.uint8)
    data = encode(rgb, "JPEG", quality=95, icc_profile=profile(DISPLAY_P3))
    assert np.abs(decode(data, min_side=50).astype(int) - SRGB_RED).max() <= 4


def test_all_rows_are_converted() -> None:
    rgb = np.full((700, 3, 3), P3_RED, np.uint8)
    assert len(np.unique(to_srgb(rgb, profile(DISPLAY_P3)).reshape(-1, 3), axis=0)) == 1


def test_transparent_places_stay_white() -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    assert (decode(encode(rgba, "PNG", icc_profile=profile(DISPLAY_P3))) == 255).all()


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_photos_of_other_colour_spaces_are_read_as_before(mode: str) -> None:
    image = Image.fromarray(scene(32, 32)).convert(mode)
    plain, tagged = encode(image, "TIFF"), encode(image, "TIFF", icc_profile=profile(DISPLAY_P3))
    assert decode(tagged).shape == decode(plain).shape
    foreign = bytearray(profile(DISPLAY_P3))
    foreign[16:20] = b"GRAY" if mode == "L" else b"CMYK"
    assert np.array_equal(decode(encode(image, "TIFF", icc_profile=bytes(foreign))), decode(plain))


def with_table(name: bytes) -> bytes:
    data = bytearray(profile(DISPLAY_P3))
    data[132:136] = name
    return bytes(data)


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"x",
        b"\0" * 128,
        profile(DISPLAY_P3)[:200],
        profile(DISPLAY_P3).ljust(MAX_PROFILE + 1, b"\0"),
        with_table(b"A2B0"),
        with_table(b"rTRC"),
        profile(((0.0, 0.0, 0.0),) * 3),
        profile(DISPLAY_P3, gamma=0.004),
        struct.pack(">I", 2**31) + profile(DISPLAY_P3)[4:],
    ],
)
def test_a_damaged_or_hostile_profile_does_no_harm(hostile: bytes) -> None:
    photo = read_photo(encode(scene(20, 20), "PNG", icc_profile=hostile), max_bytes=2**20, max_pixels=10**6)
    assert decode(photo.data).shape == (20, 20, 3)


@given(st.integers(0, len(profile(DISPLAY_P3)) - 1), st.integers(0, 255), st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_changed_profiles_do_no_harm(place: int, value: int, word: int) -> None:
    data = bytearray(profile(DISPLAY_P3))
    data[place] = value
    data[place & ~3 : (place & ~3) + 4] = struct.pack(">I", word) if value % 2 else data[place & ~3 : (place & ~3) + 4]
    assert to_srgb(scene(9, 7), bytes(data)).shape == (7, 9, 3)


def test_the_download_shows_the_colours_of_the_page() -> None:
    """Pillow's own conversion of the whole picture is the measure."""
    rgb = scene(120, 90)
    data = encode(rgb, "PNG", icc_profile=profile(ADOBE_RGB))
    image = Image.open(io.BytesIO(data))
    source = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    wanted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), intent)
    assert np.array_equal(decode(data), np.asarray(wanted))
