"""JSON in which a photo is a list of byte values, read a piece at a time."""

import io
import json

import pytest
from flask import Flask

from app.errors import BadRequest, UploadTooLarge
from app.web.classic import byte_list
from app.web.classic.byte_list import MEMBER, read_json

DATA = bytes(range(256)) * 3


@pytest.fixture(params=[7, 11, 64, 64 * 1024], autouse=True)
def step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pieces of many sizes, so that they end anywhere."""
    size: int = request.param
    monkeypatch.setattr(byte_list, "CHUNK", size)
    return size


def read(text: str, most: int = 1000) -> tuple[object, bytes | None]:
    with Flask(__name__).app_context():
        return read_json(io.BytesIO(text.encode()), most)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", " :\t")])
def test_a_list_is_taken_out_and_the_rest_stays(separators: tuple[str, str]) -> None:
    body = {"name": "ü.jpg", MEMBER: list(DATA), "more": ["]", {"x": 1}]}
    rest, found = read(json.dumps(body, separators=separators, ensure_ascii=False))
    assert found == DATA
    assert rest == body | {MEMBER: None}


@pytest.mark.parametrize("values", [[], [7], [0, 255]])
def test_short_lists_are_lists_too(values: list[int]) -> None:
    assert read(json.dumps({MEMBER: values})) == ({MEMBER: None}, bytes(values))


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a"}',
        '\ufeff{"name": "a"}',
        '{"Uint8array": "abc"}',
        r'{"name": "\"Uint8array\": [1]"}',
        "[]",
        '"Uint8array"',
    ],
)
def test_json_without_such_a_list_is_read_as_it_is(text: str) -> None:
    assert read(text) == (json.loads(text.removeprefix("\ufeff")), None)


@pytest.mark.parametrize(
    "text",
    [
        *("[1,,2]", "[,]", "[1,]", "[1,2,]", "[1 2]", "[256]", "[-1]", "[1.0]", "[1_0]", "[true]", '["1"]', "[[1]]"),
        *("[1", "[1,", "[" + "1" * 300, "[" + " " * 200_000, "[1, " + "\n" * 200_000),
    ],
    ids=lambda text: text[:8],
)
def test_other_lists_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read(f'{{"Uint8array": {text}')


@pytest.mark.parametrize("text", ["", "{", '{"Uint8array": [1]', '{"Uint8array": [1]]', "[" * 900])
def test_malformed_json_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read(text)


@pytest.mark.parametrize("text", ['{"x": "%s"}', '{"Uint8array": [1], "x": "%s"}', '{"x": "%s", "Uint8array": [1]}'])
def test_all_but_the_list_has_a_limit(text: str) -> None:
    with pytest.raises(UploadTooLarge):
        read(text % ("a" * 1000))


def test_what_stringify_makes_of_bytes_is_a_list_too() -> None:
    body = {"name": "a.jpg", MEMBER: {str(place): value for place, value in enumerate(DATA)}}
    assert read(json.dumps(body)) == ({"name": "a.jpg", MEMBER: None}, DATA)


@pytest.mark.parametrize("text", ['{"length": 2}', '{"1": 7}', '{"0": 7, "0": 7}', '{"0": [7]}', '{"0": {"1": 7}}'])
def test_other_objects_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        read(f'{{"Uint8array": {text}}}')
