"""A photo that fits is sent with the pixels that it has, and with nothing else that its file says."""

import io

import numpy as np
import pytest
from PIL import Image

from app.intake.bare import bare_jpeg
from tests.unit.api_service import Service
from tests.unit.visitor import Visitor

SECRET = "51.5 N at home"


def photo(mode: str = "RGB", orientation: int = 1, **options: object) -> bytes:
    image = Image.effect_mandelbrot((200, 120), (-2.2, -1.4, 0.9, 1.4), 20).convert(mode)
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = SECRET, orientation
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60, exif=exif, comment=SECRET.encode(), **options)
    return file.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "L"}, {"restart_marker_blocks": 4}])
def test_pixels_stay_and_all_else_goes(options: dict[str, object]) -> None:
    data = photo(**options)  # type: ignore[arg-type]
    bare = bare_jpeg(data + b"a film of the moment, " + SECRET.encode())
    assert bare is not None
    assert (pixels(bare) == pixels(data)).all()
    assert SECRET.encode() in data
    assert SECRET.encode() not in bare
    assert not Image.open(io.BytesIO(bare)).getexif()


@pytest.mark.parametrize(
    "data",
    [photo(orientation=6), photo(icc_profile=b"profile"), photo("CMYK"), photo()[:-2], photo()[:900], b"text", b""],
    ids=["turned", "profile", "cmyk", "no end", "cut off", "no photo", "empty"],
)
def test_what_must_be_decoded_is_left_to_the_decoder(data: bytes) -> None:
    assert bare_jpeg(data) is None


def test_the_page_shows_a_photo_that_fits_as_it_was_sent(visitor: Visitor, service: Service) -> None:
    data = photo()
    address = visitor.run(data)
    answer = visitor.get(f"{address}/image?plain=1&max_size=2048")
    assert (answer.data, answer.mimetype) == (bare_jpeg(data), "image/jpeg")
    assert SECRET.encode() not in answer.data
    smaller = visitor.get(f"{address}/image?plain=1&max_size=100").data
    assert Image.open(io.BytesIO(smaller)).size == (100, 60)
    assert visitor.get(f"{address}/image?plain=1&format=png").mimetype == "image/png"


def test_a_turned_photo_is_shown_upright(visitor: Visitor, service: Service) -> None:
    address = visitor.run(photo(orientation=6))
    answer = visitor.get(f"{address}/image?plain=1&max_size=2048")
    assert Image.open(io.BytesIO(answer.data)).size == (120, 200)
