"""`/draw` without scripts, the guesses while drawing, and the older app's form `/predict`."""

import base64
import io
import re
from html import unescape
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config.settings import Settings
from app.sketch import ANIMALS
from tests import drawings
from tests.drawings import FISH, STAIRS
from tests.unit import api_service
from tests.unit.api_service import Service, json_of
from tests.unit.visitor import Visitor

service = api_service.module_service


def bars(page: str) -> dict[str, int]:
    """The percentages of a page, by name."""
    lines = re.findall(r'<li data-name="([^"]+)".*?class="num">(\d+)\u00a0%', page, re.DOTALL)
    return {name: int(number) for name, number in lines}


def heading(page: str) -> str:
    found = re.search(r'class="verdict"[^>]*>\s*<h\d[^>]*>([^<]+)', page)
    return found[1] if found else ""


def problem(page: str) -> str:
    found = re.search(r'class="problem" role="alert">([^<]+)', page)
    return unescape(found[1]) if found else ""


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def upload(service: Service, data: bytes | None) -> TestResponse:
    visitor = Visitor(service)
    form: dict[str, object] = {"csrf_token": visitor.token("/draw")}
    if data is not None:
        form["drawing"] = (io.BytesIO(data), "a.png")
    return visitor.client.post("/draw", data=form, content_type="multipart/form-data")


def predict(service: Service, url: str) -> TestResponse:
    return service.client.post("/predict", data={"url": url})


def test_the_page_has_a_sheet_six_bars_and_a_form_that_needs_no_script(service: Service) -> None:
    page = service.client.get("/draw").text
    assert set(bars(page)) == {*ANIMALS, "something else"}
    assert set(bars(page).values()) == {0}
    assert 'id="canvas"' in page
    assert 'enctype="multipart/form-data"' in page
    assert not re.search(r"\sstyle=|<script>|\son\w+=", page)
    assert '<a href="/draw" aria-current="page">Draw</a>' in page


def test_a_picture_sent_from_the_page_is_guessed_on_the_page(service: Service) -> None:
    answer = upload(service, drawings.picture())
    assert answer.status_code == 200
    assert heading(answer.text) in ("It is a fish", "Looks like a fish")
    assert max(bars(answer.text), key=lambda name: bars(answer.text)[name]) == "fish"
    assert 97 <= sum(bars(answer.text).values()) <= 103
    assert 'class="seen"' in answer.text


def test_a_picture_of_none_of_the_six_is_not_sure(service: Service) -> None:
    answer = upload(service, drawings.picture(STAIRS))
    assert (answer.status_code, heading(answer.text)) == (200, "Not sure")
    assert 'class="best"' not in answer.text


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (None, 422, "Choose a picture of a drawing first."),
        (b"", 422, "Choose a picture of a drawing first."),
        (drawings.blank(), 422, "Draw something first."),
        (drawings.noise(), 422, "This does not look like a line drawing"),
        (b"text", 415, "This file is not a photo we can read."),
    ],
)
def test_what_cannot_be_guessed_is_said_on_the_page(
    service: Service, data: bytes | None, status: int, sentence: str
) -> None:
    answer = upload(service, data)
    assert answer.status_code == status
    assert problem(answer.text).startswith(sentence)
    assert 'id="canvas"' in answer.text


def test_the_form_needs_its_token(service: Service) -> None:
    form = {"drawing": (io.BytesIO(drawings.picture()), "a.png")}
    assert service.app.test_client().post("/draw", data=form).status_code == 400


def test_live_guesses_need_no_cookie_and_a_blank_sheet_is_not_an_error(service: Service) -> None:
    stranger = service.app.test_client()
    found = json_of(stranger.post("/draw/guess", json={"strokes": FISH, "canvas": 300}))
    assert (found["answer"], set(found["probabilities"])) == ("fish", set(ANIMALS))
    assert found["headline"] in ("It is a fish", "Looks like a fish")
    assert [bar["name"] for bar in found["bars"]] == [*ANIMALS, "something else"]
    assert sum(bar["share"] for bar in found["bars"]) == pytest.approx(1)
    blank = stranger.post("/draw/guess", json={"strokes": []})
    assert (blank.status_code, blank.json) == (200, {"answer": None, "message": "Draw something first."})


def test_live_guesses_are_json_alone_so_that_other_sites_cannot_ask(service: Service) -> None:
    answer = service.client.post("/draw/guess", data="{}", content_type="text/plain")
    assert answer.status_code == 415
    wrong = service.client.post("/draw/guess", json={"strokes": 1}, headers={"Accept": "application/json"})
    assert (wrong.status_code, set(json_of(wrong))) == (422, {"error", "code", "status", "request_id"})


def test_live_guesses_are_counted_by_visitor_and_an_address_has_a_bound(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sketch.web.pages.RATE", "3/hour")
    monkeypatch.setattr("app.sketch.web.pages.ADDRESS_RATE", "10/hour")
    limited = Service(settings, rate_limit="100/hour")

    def guesses(client: FlaskClient, count: int) -> list[int]:
        return [client.post("/draw/guess", json={"strokes": []}).status_code for _ in range(count)]

    visitors = [limited.app.test_client() for _ in range(3)]
    for visitor in visitors:
        assert visitor.get("/draw").status_code == 200  # Counted by address: nobody has a cookie yet.
    assert guesses(limited.app.test_client(), 1) == [429]
    assert guesses(visitors[0], 4) == [200, 200, 200, 429]
    assert guesses(visitors[1], 3) == [200, 200, 200]
    assert guesses(visitors[2], 2) == [200, 429]
    limited.close()


def test_the_older_form_answers_the_page_of_the_result(service: Service) -> None:
    answer = predict(service, data_url(drawings.picture()))
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert heading(answer.text) in ("It is a fish", "Looks like a fish")
    assert set(bars(answer.text)) == {*ANIMALS, "something else"}


def test_the_older_form_takes_other_images_and_unquoted_plus_signs(service: Service) -> None:
    url = data_url(drawings.picture(format="jpeg"), "image/jpeg")
    assert "+" in url
    unquoted = urlencode({"url": url}).replace("%2B", "+")
    answer = service.client.post("/predict", data=unquoted, content_type="application/x-www-form-urlencoded")
    assert "fish" in heading(answer.text)


def test_a_drawing_of_more_than_half_a_megabyte_is_taken(service: Service) -> None:
    data = drawings.picture(side=600, format="bmp")
    assert len(data) > 2**20
    assert predict(service, data_url(data, "image/bmp")).status_code == 200


@pytest.mark.parametrize(
    ("url", "status", "sentence"),
    [
        ("", 422, "Draw something first."),
        ("data:,", 422, "Draw something first."),
        (data_url(drawings.blank()), 422, "Draw something first."),
        (data_url(drawings.noise()), 422, "This does not look like a line drawing"),
        (data_url(drawings.picture()[:300]), 422, "This photo is damaged"),
        ("data:image/png;base64,%%%%", 400, "The image is not base64."),
        ("https://example.org/a.png", 400, "The image is not base64."),
        (data_url(b"text"), 415, "This file is not a photo we can read."),
        (data_url(drawings.encoded(drawings.Image.new("1", (5000, 4000), 1))), 413, "This photo has 5,000 x 4,000"),
    ],
)
def test_the_older_form_says_what_is_wrong_in_one_sentence(
    service: Service, url: str, status: int, sentence: str
) -> None:
    answer = predict(service, url)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert problem(answer.text).startswith(sentence)


def test_the_older_form_without_its_field_is_400_and_with_too_much_413(settings: Settings) -> None:
    small = Service(settings, max_upload_mb=0.1)
    assert small.client.post("/predict", data={"image": "x"}).status_code == 400
    for much in (150_000, 4_000_000):
        answer = predict(small, data_url(b"\x89PNG" + bytes(much)))
        assert answer.status_code == 413, much
        assert problem(answer.text).endswith(".")
    small.close()


def test_asking_for_the_older_page_leads_to_the_sheet(service: Service) -> None:
    answer = service.client.get("/predict")
    assert (answer.status_code, answer.location) == (302, "/draw")
