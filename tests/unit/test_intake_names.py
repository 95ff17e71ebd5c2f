"""Names of photos: kept as they are where that does no harm, and harmless in any case."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.names import LONGEST, photo_name


@pytest.mark.parametrize("name", ["car.jpg", "ünï cörn.JPG", "写真.png", "🐟.webp", "a.b.c", "no ending"])
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert photo_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../../evil.jpg", "evil.jpg"),
        ("C:\\photos\\car.jpg", "car.jpg"),
        ("/etc/x.jpg", "x.jpg"),
        ("folder/", "folder"),
        ("a\nb.jpg", "a b.jpg"),
        ("3.14\u202fPM.png", "3.14 PM.png"),
        ("gpj\u202e.exe", "gpj.exe"),
        ("a\x00b\x7f.jpg", "ab.jpg"),
        ("half \ud800.jpg", "half .jpg"),
        (".hidden. ", "hidden"),
        *((nothing, "photo") for nothing in (None, "", "..", "/", "\\", " . ", "\r\n", "\x00")),
    ],
)
def test_of_any_other_name_the_harmless_part_stays(text: str | None, name: str) -> None:
    assert photo_name(text) == name


def test_a_long_name_keeps_its_ending() -> None:
    assert photo_name("x" * 1000 + ".jpg") == "x" * (LONGEST - 4) + ".jpg"


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_text_becomes_one_printable_name_in_any_folder(text: str) -> None:
    name = photo_name(text)
    assert name.isprintable()
    assert 0 < len(name) <= LONGEST
    assert name == PurePosixPath(name).name == PureWindowsPath(f"C:/{name}").name
    assert photo_name(name) == name
