"""`POST /api/v1/drawings`: images and strokes in, an animal, "not sure" or a clear refusal out."""

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.config.settings import Settings
from app.intake.budget import pixel_budget
from app.sketch import ANIMALS
from app.sketch.web.api import MAX_JSON_BYTES, MAX_POINTS
from tests import drawings
from tests.drawings import FISH, STAIRS
from tests.unit import api_service
from tests.unit.api_service import Service, json_of
from tests.unit.photos import jpeg
from tests.unit.visitor import Visitor, form_body, peak_memory

ADDRESS = "/api/v1/drawings"


service = api_service.module_service


def send(service: Service, body: Any) -> TestResponse:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return send_image(service, data.encode() if isinstance(data, str) else data, "application/json")


def send_image(service: Service, data: bytes, kind: str = "image/png") -> TestResponse:
    # The test client says nothing of a length of none, as only a chunked upload does.
    length = {"CONTENT_LENGTH": str(len(data))}
    return service.client.post(ADDRESS, data=data, content_type=kind, environ_overrides=length)


def refusal(answer: TestResponse) -> tuple[int, str]:
    assert answer.mimetype == "application/problem+json"
    assert json_of(answer)["detail"].endswith(".")
    return answer.status_code, json_of(answer)["code"]


def points(strokes: drawings.Columns) -> list[list[list[int]]]:
    return [[list(point) for point in zip(*stroke, strict=True)] for stroke in strokes]


def test_strokes_of_a_fish_are_a_fish_with_all_probabilities_and_the_time(service: Service) -> None:
    answer = send(service, {"strokes": FISH})
    assert answer.status_code == 200
    found = json_of(answer)
    assert list(found) == ["answer", "sure", "not_sure", "probabilities", "seconds"]
    assert (found["answer"], found["sure"]) == ("fish", True)
    assert tuple(found["probabilities"]) == ANIMALS
    assert sum(found["probabilities"].values()) == pytest.approx(1)
    assert max(found["probabilities"], key=found["probabilities"].get) == "fish"
    assert 0 <= found["not_sure"] < 0.5
    assert found["seconds"] > 0


def test_the_two_forms_of_strokes_say_the_same(service: Service) -> None:
    one, other = json_of(send(service, {"strokes": FISH})), json_of(send(service, {"points": points(FISH)}))
    assert one["probabilities"] == other["probabilities"]


def test_the_times_of_quickdraws_raw_files_do_not_matter(service: Service) -> None:
    timed = [[xs, ys, list(range(len(xs)))] for xs, ys in FISH]
    assert json_of(send(service, {"strokes": timed}))["answer"] == "fish"


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "gif", "bmp", "tiff"])
def test_a_picture_of_a_fish_is_a_fish_in_every_format(service: Service, format: str) -> None:
    answer = send_image(service, drawings.picture(format=format), f"image/{format}")
    assert json_of(answer)["answer"] == "fish"


@pytest.mark.parametrize(("ink", "paper"), [("white", "black"), ("#204080", "#f4ecd8")])
def test_the_colours_of_ink_and_paper_do_not_matter(service: Service, ink: str, paper: str) -> None:
    assert json_of(send_image(service, drawings.picture(ink=ink, paper=paper)))["answer"] == "fish"


@pytest.mark.parametrize("side", [64, 3000])
def test_small_and_large_pictures_are_taken(service: Service, side: int) -> None:
    assert send_image(service, drawings.picture(side=side)).status_code == 200


def test_what_is_none_of_the_six_is_not_sure(service: Service) -> None:
    found = json_of(send(service, {"strokes": STAIRS}))
    assert (found["answer"], found["sure"]) == ("not sure", False)


@pytest.mark.parametrize(
    "body",
    [
        {"strokes": []},
        {"points": []},
        {"strokes": [[[], []]]},
        {"points": [[]]},
        {"points": [[[5, 5]]]},
        {"strokes": [[[7, 7, 7], [1, 1, 1]]]},
        {"strokes": [[[10, 12, 11], [10, 11, 13]]], "canvas": 1000},
    ],
)
def test_nothing_or_a_dot_asks_for_a_drawing(service: Service, body: Any) -> None:
    answer = send(service, body)
    assert refusal(answer) == (422, "nothing-drawn")
    assert json_of(answer)["detail"] == "Draw something first."


@pytest.mark.parametrize("data", [b"", drawings.blank(), drawings.blank(1)])
def test_a_blank_sheet_asks_for_a_drawing(service: Service, data: bytes) -> None:
    assert refusal(send_image(service, data)) == (422, "nothing-drawn")


def test_an_empty_json_body_asks_for_a_drawing(service: Service) -> None:
    assert refusal(send(service, b"")) == (422, "nothing-drawn")


@pytest.mark.parametrize("data", [drawings.noise(), jpeg(320, 240)])
def test_a_photo_is_not_a_drawing(service: Service, data: bytes) -> None:
    assert refusal(send_image(service, data)) == (422, "not-a-drawing")


def test_a_file_that_is_not_an_image_is_415_and_a_broken_one_422(service: Service) -> None:
    assert refusal(send_image(service, b"GIF? no.")) == (415, "not-a-photo")
    assert refusal(send_image(service, drawings.picture()[:200])) == (422, "broken-photo")


def test_an_image_of_too_many_pixels_is_413(service: Service) -> None:
    huge = drawings.encoded(drawings.Image.new("1", (5000, 4000), 1))
    assert refusal(send_image(service, huge)) == (413, "too-many-pixels")


def test_an_image_of_too_many_bytes_is_413(service: Service) -> None:
    body = b"\x89PNG" + bytes(service.settings.max_upload_bytes)
    assert refusal(send_image(service, body)) == (413, "upload-too-large")


def test_an_image_that_is_too_large_is_refused_without_reading_it_into_memory(settings: Settings) -> None:
    small = Service(settings, max_upload_mb=0.25)
    huge = b"\x89PNG" + bytes(24 * 2**20)
    for body in (b"\x89PNG", huge):  # The first request loads modules.
        status, peak = peak_memory(small.client, ADDRESS, body, "application/zip")
    assert (status, peak < 8 * 2**20) == (413, True)
    visitor = Visitor(small)
    form = form_body(csrf_token=visitor.token("/draw"), drawing=(io.BytesIO(huge), "a.png"))
    status, peak = peak_memory(visitor.client, "/draw", *form)
    assert (status, peak < 8 * 2**20) == (413, True)
    small.close()


def test_checking_and_decoding_a_drawing_reserve_pixels(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    reserved, reserve = [], pixel_budget.reserve
    monkeypatch.setattr(pixel_budget, "reserve", lambda pixels: reserved.append(pixels) or reserve(pixels))
    send_image(service, drawings.picture(side=400))
    assert reserved == [400 * 400] * 2


def test_as_many_points_as_allowed_are_taken_and_one_more_is_refused(service: Service) -> None:
    xs, ys = [n % 997 for n in range(MAX_POINTS)], [n % 1009 for n in range(MAX_POINTS)]
    assert send(service, {"strokes": [[xs, ys]]}).status_code == 200
    answer = send(service, {"strokes": [[xs, ys], [[1], [1]]]})
    assert refusal(answer) == (422, "invalid-request")
    assert "20,000 points" in json_of(answer)["detail"]
    assert refusal(send(service, {"points": [points([[xs, ys]])[0], [[1, 1]]]})) == (422, "invalid-request")


def test_a_json_body_beyond_all_points_is_413_unread(service: Service) -> None:
    assert refusal(send(service, b" " * (MAX_JSON_BYTES + 1))) == (413, "upload-too-large")


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "{",
        "[" * 200_000,
        '{"a":' * 200_000,
        "1" * 10_000,
        '{"strokes": [[[0, NaN], [0, 1]]]}',
        '{"strokes": [[[0, 1e999], [0, 1]]]}',
        '{"strokes": [[[0, ' + "9" * 400 + "], [0, 1]]]}",
        [],
        "null",
        {},
        {"strokes": None},
        {"strokes": FISH, "points": points(FISH)},
        {"strokes": FISH, "colour": "red"},
        {"strokes": "fish"},
        {"strokes": {"0": FISH[0]}},
        {"strokes": [[1, 2, 3]]},
        {"strokes": [[[1, 2, 3]]]},
        {"strokes": [[[1, 2, 3], [1, 2]]]},
        {"strokes": [[["1", "2"], ["3", "4"]]]},
        {"strokes": [[[True, False], [1, 2]]]},
        {"strokes": [[[None], [1]]]},
        {"points": [[[1, 2, 3]]]},
        {"points": [[1, 2]]},
        {"strokes": FISH, "canvas": 0},
        {"strokes": FISH, "canvas": "255"},
    ],
)
def test_json_without_strokes_is_refused_in_one_sentence(service: Service, body: Any) -> None:
    answer = send(service, body)
    assert refusal(answer) == (422, "invalid-request")
    assert len(json_of(answer)["errors"]) < 10


def test_numbers_of_any_size_are_only_a_scale(service: Service) -> None:
    for scale in (1e-300, 1e-3, 1e6, 1e300):
        huge = [[[scale * x for x in xs], [scale * y for y in ys]] for xs, ys in FISH]
        assert json_of(send(service, {"strokes": huge}))["answer"] == "fish", scale


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**6), 10**6)
junk = st.recursive(
    numbers | st.none() | st.booleans() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=4)
)
even = st.integers(0, 8).flatmap(lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=2, max_size=2))


@given(strokes=st.lists(even, max_size=5))
@budget(max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_strokes_are_guessed_or_found_blank(service: Service, strokes: Any) -> None:
    answer = send(service, {"strokes": strokes})
    if answer.status_code == 200:
        assert sum(json_of(answer)["probabilities"].values()) == pytest.approx(1)
    else:
        assert refusal(answer) == (422, "nothing-drawn")


@given(body=st.dictionaries(st.sampled_from(["strokes", "points", "canvas", "other"]), junk, max_size=3))
@budget(max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_json_is_answered_with_200_or_422(service: Service, body: Any) -> None:
    assert send(service, body).status_code in (200, 422)


def test_nothing_is_kept_and_nobody_gets_a_cookie(service: Service) -> None:
    answer = send(service, {"strokes": FISH})
    assert "Set-Cookie" not in answer.headers
    assert list(service.services.store.blobs.keys("")) == []


def test_a_key_that_is_not_valid_is_refused(service: Service) -> None:
    answer = service.client.post(ADDRESS, json={"strokes": FISH}, headers={"Authorization": "Bearer fd_wrong"})
    assert refusal(answer) == (401, "unauthorized")


def test_a_key_may_be_required(settings: Settings) -> None:
    (closed,) = [Service(settings, api_keys_required=True)]
    assert closed.client.post(ADDRESS, json={"strokes": FISH}).status_code == 401
    assert closed.client.post("/predict", data={"url": ""}).status_code == 401
    key = closed.services.store.keys.create("a")[1]
    answer = closed.client.post(ADDRESS, json={"strokes": FISH}, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200
    closed.close()


def test_drawings_are_counted_with_the_other_requests_but_live_guesses_are_not(settings: Settings) -> None:
    limited = Service(settings, rate_limit="2/hour")
    for _ in range(10):
        assert limited.client.post("/draw/guess", json={"strokes": FISH}).status_code == 200
    statuses = [limited.client.post(ADDRESS, json={"strokes": FISH}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert limited.client.post("/predict", data={"url": ""}).status_code == 429
    assert limited.client.post("/draw/guess", json={"strokes": FISH}).status_code == 200
    limited.close()


def test_without_the_network_drawings_are_503(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("app.sketch.Recogniser.from_folder", missing)
    without = Service(settings)
    assert refusal(without.client.post(ADDRESS, json={"strokes": FISH})) == (503, "guessing-unavailable")
    without.close()


@pytest.mark.parametrize("ink", ["white", "yellow", "#f4f4f4", "black", "#777"])
@pytest.mark.parametrize("format", ["png", "webp"])
def test_a_drawing_on_nothing_is_read_in_any_ink(service: Service, ink: str, format: str) -> None:
    drawn = drawings.Image.open(io.BytesIO(drawings.picture(ink="white", paper="black"))).convert("L")
    image = drawings.Image.new("RGBA", drawn.size, ink)
    image.putalpha(drawn)
    answer = send_image(service, drawings.encoded(image, format), f"image/{format}")
    assert json_of(answer)["answer"] == "fish"


def test_a_transparent_sheet_is_blank(service: Service) -> None:
    nothing = drawings.encoded(drawings.Image.new("RGBA", (400, 400), (255, 255, 255, 0)))
    assert refusal(send_image(service, nothing)) == (422, "nothing-drawn")


def test_an_image_as_the_file_of_a_form_is_the_same_drawing(service: Service) -> None:
    image = drawings.picture()
    answer = service.client.post(ADDRESS, data={"file": (io.BytesIO(image), "fish.png")})
    assert answer.status_code == 200
    raw = json_of(send_image(service, image))
    assert json_of(answer) | {"seconds": 0} == raw | {"seconds": 0}


def test_a_form_without_a_file_is_nothing_drawn_and_one_with_two_is_refused(service: Service) -> None:
    assert refusal(service.client.post(ADDRESS, data={"file": (io.BytesIO(), "")})) == (422, "nothing-drawn")
    two = {"file": [(io.BytesIO(drawings.picture()), "1.png"), (io.BytesIO(drawings.picture()), "2.png")]}
    assert refusal(service.client.post(ADDRESS, data=two)) == (400, "bad-request")


def test_the_openapi_file_tells_both_forms_with_an_example_that_works(service: Service) -> None:
    document = json_of(service.client.get("/api/v1/openapi.json"))
    content = document["paths"][ADDRESS]["post"]["requestBody"]["content"]
    assert {"application/json", "multipart/form-data", "image/png", "image/jpeg"} <= set(content)
    (example,) = document["components"]["schemas"]["DrawingJson"]["examples"]
    assert json_of(send(service, example))["answer"] == "fish"
