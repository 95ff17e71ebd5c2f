"""Names of photos: kept as they are where that does no harm, and harmless in any case."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.names import MAX_LENGTH, given_path, photo_name, photo_path


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
    assert photo_name("x" * 1000 + ".jpg") == "x" * (MAX_LENGTH - 4) + ".jpg"


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_text_becomes_one_printable_name_in_any_folder(text: str) -> None:
    name = photo_name(text)
    assert name.isprintable()
    assert 0 < len(name) <= MAX_LENGTH
    assert name == PurePosixPath(name).name == PureWindowsPath(f"C:/{name}").name
    assert photo_name(name) == name


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("train/cat/001.jpg", "train/cat/001.jpg"),
        ("train\\cat\\001.jpg", "train/cat/001.jpg"),
        ("./a//b/c.jpg", "a/b/c.jpg"),
        ("ünï\n/cö\u0308rn.jpg", "ünï/cö\u0308rn.jpg"),
        ("../../../evil.jpg", "evil.jpg"),
        ("a/../evil.jpg", "evil.jpg"),
        ("/home/me/a.jpg", "a.jpg"),
        ("~/a.jpg", "a.jpg"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("\\\\server\\a.jpg", "a.jpg"),
        ("\x00C:/photos/a.jpg", "a.jpg"),
        ("a/.../b.jpg", "a/b.jpg"),
        ("a/", "a"),
        (None, "photo"),
    ],
)
def test_the_folders_that_a_photo_was_sent_in_stay_where_they_do_no_harm(text: str | None, path: str) -> None:
    assert photo_path(text) == path


def test_of_a_path_that_is_too_long_the_first_folders_go() -> None:
    assert photo_path("/".join(["folder" * 20] * 3) + "/a.jpg") == f"{'folder' * 20}/{'folder' * 20}/a.jpg"
    assert photo_path("a/" + "x" * 1000 + ".jpg") == "x" * (MAX_LENGTH - 4) + ".jpg"


@pytest.mark.parametrize("text", ["photo", "blob", "", " . ", None])
def test_a_photo_without_a_name_is_called_by_its_format(text: str | None) -> None:
    assert given_path(text, "jpeg") == "photo.jpg"
    assert given_path(text, "webp") == "photo.webp"
    assert given_path("a/blob", "jpeg") == "a/blob"


@given(st.text(st.characters(codec=None) | st.sampled_from("/\\."), max_size=300))
def test_any_text_becomes_a_path_inside_a_folder(text: str) -> None:
    path = photo_path(text)
    assert 0 < len(path) <= MAX_LENGTH
    assert not set(PurePosixPath(path).parts) & {"/", ".", ".."}
    assert path == str(PurePosixPath(path))
    assert photo_path(path) == path
