"""Bodies are checked where they are read, and the application's own error handlers answer."""

import io
from collections.abc import Callable

import pytest
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.config.settings import Settings
from app.errors import PublicError
from app.intake.body import OVERHEAD, STEP, CheckedBody, allow
from app.web.common.bodies import check_bodies
from tests.unit.api_service import json_of

KB = 1024


class Slow(io.BytesIO):
    """A body of which every read takes a second of the test's own clock. then: bytes of a read in the second half."""

    def __init__(self, data: bytes, step: int, then: int):
        super().__init__(data)
        self.steps, self.now = (step, then), 0.0

    def read(self, size: int | None = -1) -> bytes:
        self.now += 1
        step = self.steps[2 * self.tell() >= len(self.getbuffer())]
        return super().read(step if size is None or size < 0 else min(step, size))


def make_app() -> Flask:
    app = Flask(__name__)

    @app.errorhandler(PublicError)
    def answer(error: PublicError) -> tuple[Response, int]:
        return jsonify(code=error.code, message=error.message), error.status

    @app.post("/form")
    def form() -> Response:
        file = request.files.get("file")
        return jsonify(fields=dict(request.form), size=len(file.read()) if file else None)

    @app.post("/raw")
    def raw() -> Response:
        return jsonify(size=len(request.get_data()))

    @app.post("/json")
    def json() -> Response:
        return jsonify(keys=sorted(request.get_json()))

    @app.post("/lines")
    def lines() -> Response:
        return jsonify(lines=[len(line) for line in request.environ["wsgi.input"]])

    @app.post("/twice")
    def twice() -> Response:
        codes = []
        for read in (lambda: request.form, lambda: request.stream.read()):
            codes.append(_code(read))
        return jsonify(codes=codes)

    return app


def _code(read: Callable[[], object]) -> str | None:
    try:
        read()
    except PublicError as error:
        return error.code
    return None


@pytest.fixture
def client() -> FlaskClient:
    app = make_app()
    check_bodies(app, Settings(max_upload_mb=0.25, max_batch_mb=1, upload_timeout=5))
    return app.test_client()


def test_bodies_within_the_limits_pass_unchanged(client: FlaskClient) -> None:
    assert client.post("/raw", data=b"x" * 256 * KB).json == {"size": 256 * KB}
    assert client.post("/raw").json == {"size": 0}
    assert client.post("/json", json={"a": 1, "b": 2}).json == {"keys": ["a", "b"]}
    assert client.post("/lines", data=b"ab\ncde\n").json == {"lines": [3, 4]}
    answer = client.post("/form", data={"note": "hello", "file": (io.BytesIO(b"y" * 900 * KB), "a.jpg")})
    assert answer.json == {"fields": {"note": "hello"}, "size": 900 * KB}


def test_a_raw_body_too_large_is_413(client: FlaskClient) -> None:
    answer = client.post("/raw", data=b"x" * (256 * KB + 1), content_type="image/jpeg")
    assert answer.status_code == 413
    assert answer.json == {
        "code": "upload-too-large",
        "message": "This upload is larger than 0.25 MB, the maximum.",
    }


def test_a_form_may_hold_several_photos_but_has_a_limit_too(client: FlaskClient) -> None:
    for size, status in ((1024 * KB, 200), (1024 * KB + OVERHEAD, 413)):
        answer = client.post("/form", data={"file": (io.BytesIO(b"y" * size), "a.zip")})
        assert answer.status_code == status
    assert "larger than 1 MB" in json_of(answer)["message"]


def test_json_may_be_longer_by_what_base64_takes(client: FlaskClient) -> None:
    fits = {"image": "A" * (256 * KB * 4 // 3)}
    assert client.post("/json", json=fits).status_code == 200
    assert client.post("/json", json={"image": fits["image"] + "A" * OVERHEAD}).status_code == 413


def test_a_view_may_take_more_than_the_type_promises_but_not_without_end(client: FlaskClient) -> None:
    def more() -> Response:
        allow(request.environ, 512 * KB)
        return jsonify(size=len(request.get_data()))

    client.application.add_url_rule("/more", view_func=more, methods=["POST"])
    assert client.post("/more", data=b"x" * 512 * KB, content_type="text/plain").json == {"size": 512 * KB}
    answer = client.post("/more", data=b"x" * (512 * KB + 1), content_type="text/plain")
    assert (answer.status_code, json_of(answer)["code"]) == (413, "upload-too-large")
    assert "larger than 0.5 MB" in json_of(answer)["message"]


@pytest.mark.parametrize("digits", [30, 400, 5000])
def test_an_absurd_length_is_413(client: FlaskClient, digits: int) -> None:
    environ = EnvironBuilder("/raw", method="POST", data=b"12345").get_environ()
    environ["CONTENT_LENGTH"] = "9" * digits
    assert run_wsgi_app(client.application.wsgi_app, environ)[1].startswith("413")


@pytest.mark.parametrize("path", ["/raw", "/form", "/json"])
def test_chunks_without_a_length_are_411(client: FlaskClient, path: str) -> None:
    environ = EnvironBuilder(path, method="POST", headers={"Transfer-Encoding": "chunked"}).get_environ()
    environ["CONTENT_TYPE"] = {"/form": "multipart/form-data; boundary=x", "/json": "application/json"}.get(
        path, "image/png"
    )
    environ.pop("CONTENT_LENGTH", None)
    _, status, _ = run_wsgi_app(client.application.wsgi_app, environ)
    assert status.startswith("411")


def test_a_body_type_without_a_length_is_411_and_nothing_at_all_is_fine(client: FlaskClient) -> None:
    for kind, wanted in (("image/png", "411"), ("", "200")):
        environ = EnvironBuilder("/raw", method="POST").get_environ()
        environ.pop("CONTENT_LENGTH", None)
        environ["CONTENT_TYPE"] = kind
        assert run_wsgi_app(client.application.wsgi_app, environ)[1].startswith(wanted)


@pytest.mark.parametrize("length", ["-5", "abc", "1e3", "٣", "+7"])
def test_a_length_that_is_no_number_is_400(client: FlaskClient, length: str) -> None:
    environ = EnvironBuilder("/raw", method="POST", data=b"12345").get_environ()
    environ["CONTENT_LENGTH"] = length
    assert run_wsgi_app(client.application.wsgi_app, environ)[1].startswith("400")


FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nshort\r\n--x--\r\n'


@pytest.mark.parametrize("path", ["/raw", "/form"])
def test_a_body_shorter_than_promised_is_400(client: FlaskClient, path: str) -> None:
    environ = EnvironBuilder(
        path, method="POST", data=FORM, content_type="multipart/form-data; boundary=x"
    ).get_environ()
    assert run_wsgi_app(client.application.wsgi_app, dict(environ))[1].startswith("200")
    environ["wsgi.input"] = io.BytesIO(FORM[:-9])
    body, status, _ = run_wsgi_app(client.application.wsgi_app, environ)
    assert status.startswith("400")
    assert b"upload-cut-short" in b"".join(body)


def test_a_failed_body_fails_at_every_further_read(client: FlaskClient) -> None:
    answer = client.post("/twice", data=b"z" * 4 * 1024 * KB, content_type="multipart/form-data; boundary=x")
    assert answer.json == {"codes": ["upload-too-large", "upload-too-large"]}


def send_slowly(length: int, step: int, timeout: float, then: int = 0) -> str:
    """The status of an upload of which `step` bytes arrive in a second, and in its second half `then` bytes."""
    app = make_app()
    body = Slow(b"s" * length, step, then or step)
    checked = CheckedBody(app.wsgi_app, max_bytes=KB, max_batch_bytes=length, timeout=timeout, clock=lambda: body.now)
    environ = EnvironBuilder("/raw", method="POST").get_environ()
    environ.update(
        {"wsgi.input": body, "CONTENT_LENGTH": str(length), "CONTENT_TYPE": "application/zip"},
    )
    return run_wsgi_app(checked, environ)[1]


def test_a_body_takes_as_long_as_it_needs_while_enough_of_it_arrives() -> None:
    assert send_slowly(4 * STEP, STEP // 8, timeout=9).startswith("200")
    assert send_slowly(4 * STEP, STEP // 8, timeout=8).startswith("408")


def test_a_small_body_has_the_timeout_once() -> None:
    assert send_slowly(STEP // 2, STEP // 16, timeout=9).startswith("200")
    assert send_slowly(STEP // 2, STEP // 16, timeout=8).startswith("408")


def test_a_fast_beginning_earns_no_time_for_a_slow_end() -> None:
    assert send_slowly(8 * STEP, STEP, timeout=3, then=STEP // 4).startswith("408")
    assert send_slowly(8 * STEP, STEP, timeout=3, then=STEP // 2).startswith("200")
