"""The client and its command against a made-up server that answers in the API's shapes."""

import io
import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import ApiError, Client, ConnectionFailed, RunFailed
from app.client.__main__ import find, main
from tests.unit.photos import jpeg

PHOTO = jpeg()
OBJECTS = {
    "kind": "instances",
    "instances": [
        {"class": "dog", "score": 0.9, "box": [1, 2, 3, 4], "mask": {"size": [4, 4], "counts": "x"}},
        {"class": "dog", "score": 0.8, "box": [1, 2, 3, 4], "mask": None},
        {"class": "cat", "score": 0.7, "box": [0, 0, 1, 1], "mask": None},
    ],
}
FACES = {"kind": "faces", "faces": [{"score": 1, "box": [0, 0, 5, 5], "landmarks": {"nose": [1, 2]}}]}
LABELS = {"kind": "labels", "labels": [{"class": "tabby", "score": 0.5}]}


def run_json(state: str = "done", **more: Any) -> dict[str, Any]:
    results = {"objects": OBJECTS} if state == "done" else {}
    shown = {"id": "r1", "state": state, "name": "a.jpg", "error": None, "position": None, "eta": None}
    return {**shown, "results": results, **more}


Step = httpx.Response | Exception


class Script:
    """Answers requests one after the other, remembers them, and makes time pass without waiting."""

    def __init__(self, *steps: Step, otherwise: Callable[[httpx.Request], httpx.Response] | None = None):
        self.steps, self.otherwise = list(steps), otherwise
        self.requests: list[httpx.Request] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        if not self.steps and self.otherwise is not None:
            return self.otherwise(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def client(self, **options: Any) -> Client:
        return Client(
            "http://detector.test",
            transport=httpx.MockTransport(self),
            sleep=self.slept.append,
            clock=lambda: sum(self.slept),
            **options,
        )


def ok(state: str = "done", **more: Any) -> httpx.Response:
    return httpx.Response(200 if state == "done" else 202, json=run_json(state, **more))


def problem(status: int, detail: str = "No.", **headers: str) -> httpx.Response:
    body = {"status": status, "code": "some-code", "detail": detail}
    return httpx.Response(status, json=body, headers={"Content-Type": "application/problem+json", **headers})


def test_a_photo_is_posted_with_its_name_and_options_and_the_result_is_typed() -> None:
    script = Script(ok(results={"objects": OBJECTS, "faces": FACES, "labels": LABELS}))
    run = script.client(key="secret").detect(PHOTO, name="cat.jpg", threshold=0.6, classes=["dog", "cat"])
    (request,) = script.requests
    assert (request.method, str(request.url)) == ("POST", "http://detector.test/api/v1/runs?wait=30")
    assert request.headers["authorization"] == "Bearer secret"
    body = request.content
    assert PHOTO in body
    for part in (b'name="file"; filename="cat.jpg"', b'name="threshold"\r\n\r\n0.6', b'name="classes"\r\n\r\ndog,cat'):
        assert part in body
    assert b"webhook" not in body
    first = run.objects[0]
    assert (first.name, first.score, first.box) == ("dog", 0.9, (1, 2, 3, 4))
    assert run.faces[0].landmarks == {"nose": (1, 2)}
    assert (run.labels[0].name, run.labels[0].score) == ("tabby", 0.5)


def test_a_run_in_the_queue_is_asked_for_until_it_is_done() -> None:
    script = Script(ok("queued", position=2), ok("queued"), ok("running"), ok())
    assert script.client().detect(PHOTO).objects[0].name == "dog"
    assert [request.method for request in script.requests] == ["POST", "GET", "GET", "GET"]
    assert len(script.slept) == 3
    assert script.slept == sorted(script.slept)


def test_a_pdf_of_several_pages_names_its_batch_which_has_the_runs() -> None:
    batch = httpx.Response(
        202, json={"id": "b1", "runs": [run_json("queued"), run_json("queued", id="r2")], "refused": []}
    )
    script = Script(batch, batch)
    client = script.client()
    with pytest.raises(ApiError, match="batch b1") as several:
        client.submit(b"%PDF-1.7")
    assert several.value.code == "several-pages"
    assert [run.id for run in client.batch("b1")] == ["r1", "r2"]
    assert [request.url.path for request in script.requests] == ["/api/v1/runs", "/api/v1/batches/b1"]


def test_a_failed_run_says_why() -> None:
    script = Script(ok("running"), ok("failed", error="The photo was too much."))
    with pytest.raises(RunFailed, match="The photo was too much"):
        script.client().detect(PHOTO)


def test_waiting_ends_at_the_time_limit() -> None:
    script = Script(ok("queued"), otherwise=lambda request: ok("queued"))
    with pytest.raises(TimeoutError):
        script.client().detect(PHOTO, timeout=5)
    assert sum(script.slept) == pytest.approx(5)
    assert script.requests[0].url.params["wait"] == "5"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(status: int) -> None:
    script = Script(problem(status, **{"Retry-After": "7"}), ok())
    assert script.client().submit(PHOTO).state == "done"
    assert script.slept == [7]


def test_the_server_cannot_ask_for_more_than_half_a_minute() -> None:
    script = Script(problem(503, **{"Retry-After": "86400"}), ok())
    script.client().submit(PHOTO)
    assert script.slept == [30]


def test_lost_connections_are_tried_again_with_growing_delays_and_one_key() -> None:
    lost = [httpx.ConnectError("refused"), httpx.ReadTimeout("late"), httpx.RemoteProtocolError("cut"), problem(503)]
    script = Script(*lost, ok())
    assert script.client().submit(PHOTO).state == "done"
    assert len({request.headers["idempotency-key"] for request in script.requests}) == 1
    for slept, wanted in zip(script.slept, (0.5, 1, 2, 4), strict=True):
        assert 0.75 * wanted <= slept <= 1.25 * wanted


def test_tries_have_an_end() -> None:
    script = Script(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(ConnectionFailed, match=r"detector\.test cannot be reached"):
        script.client(tries=3).submit(PHOTO)
    busy = Script(*[problem(503, "Too many photos are waiting.")] * 2)
    with pytest.raises(ApiError, match="Too many photos are waiting"):
        busy.client(tries=2).submit(PHOTO)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 415, 422, 500])
def test_a_refusal_is_not_tried_again(status: int) -> None:
    script = Script(problem(status, "This file is not a photo.", **{"X-Request-ID": "abc"}))
    with pytest.raises(ApiError, match="not a photo") as caught:
        script.client().submit(PHOTO)
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (status, "some-code", "abc")
    assert script.slept == []


def test_a_response_without_problem_details_is_still_an_error() -> None:
    script = Script(httpx.Response(502, html="<h1>Bad gateway</h1>"))
    with pytest.raises(ApiError, match="status 502"):
        script.client().submit(PHOTO)


@pytest.mark.parametrize("body", ["<h1>Sign in to this network</h1>", '["a list"]', '{"status": "ok"}'])
def test_an_answer_that_is_not_of_the_api_is_an_error_even_with_status_200(body: str) -> None:
    with pytest.raises(ApiError, match="not the API's") as caught:
        Script(httpx.Response(200, text=body)).client().detect(PHOTO)
    assert caught.value.status == 200


def test_no_try_begins_after_the_time_limit() -> None:
    script = Script(*[problem(503, "Too many photos are waiting.", **{"Retry-After": "4"})] * 3)
    with pytest.raises(ApiError, match="Too many photos are waiting"):
        script.client().detect(PHOTO, timeout=10)
    assert script.slept == [4, 4]
    lost = Script(*[httpx.ConnectError("refused")] * 2)
    with pytest.raises(ConnectionFailed):
        lost.client().detect(PHOTO, timeout=1)
    assert sum(lost.slept) <= 1


def test_the_time_limit_counts_for_a_server_that_is_busy_while_the_run_waits() -> None:
    script = Script(ok("queued"), otherwise=lambda request: problem(429, **{"Retry-After": "4"}))
    with pytest.raises(ApiError):
        script.client().detect(PHOTO, timeout=10)
    assert sum(script.slept) <= 10


def test_an_address_is_sent_as_json_for_the_server_to_fetch() -> None:
    script = Script(ok())
    script.client().submit("https://photos.example/a.jpg", threshold=0.3, analyses=["objects", "faces"])
    body = json.loads(script.requests[0].content)
    assert body == {"url": "https://photos.example/a.jpg", "threshold": 0.3, "analyses": "objects,faces"}


def test_views_become_query_parameters() -> None:
    script = Script(httpx.Response(200, content=b"picture"), httpx.Response(200, content=b"{}"))
    client = script.client()
    assert client.image("r1", threshold=0.25, classes=["a", "b"], masks=False, boxes=True, max_size=None) == b"picture"
    assert client.export("r1", "coco", exclude=["a"]) == b"{}"
    first, second = (request.url for request in script.requests)
    assert (first.path, dict(first.params)) == (
        "/api/v1/runs/r1/image",
        {"threshold": "0.25", "classes": "a,b", "masks": "0", "boxes": "1"},
    )
    assert dict(second.params) == {"format": "coco", "exclude": "a"}


def test_the_history_is_read_page_by_page() -> None:
    pages = [{"runs": [run_json(id="a"), run_json(id="b")], "next": "c1"}, {"runs": [run_json(id="c")], "next": None}]
    script = Script(*[httpx.Response(200, json=page) for page in pages])
    assert [run.id for run in script.client().runs(limit=2, q="milk")] == ["a", "b", "c"]
    asked = {"limit": "2", "q": "milk"}
    assert [dict(request.url.params) for request in script.requests] == [asked, {**asked, "cursor": "c1"}]


def test_runs_are_cancelled_and_deleted() -> None:
    script = Script(ok("cancelled"), httpx.Response(204))
    client = script.client()
    assert client.cancel("r1").state == "cancelled"
    client.delete("r1")
    assert [(r.method, r.url.path) for r in script.requests] == [
        ("POST", "/api/v1/runs/r1/cancel"),
        ("DELETE", "/api/v1/runs/r1"),
    ]


# The command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """photos/: a.jpg, sub/a.png, sub/deep/c.GIF, and a text."""
    photos = tmp_path / "photos"
    (photos / "sub" / "deep").mkdir(parents=True)
    for name in ("a.jpg", "sub/a.png", "sub/deep/c.GIF", "notes.txt"):
        (photos / name).write_bytes(PHOTO)
    return photos


@pytest.fixture
def script() -> Script:
    """A server that finds two dogs and a cat in every photo."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/image"):
            return httpx.Response(200, content=f"picture as {request.url.params['format']}".encode())
        return ok()

    return Script(otherwise=answer)


def test_folders_are_searched_for_photos_and_patterns_are_followed(folder: Path) -> None:
    assert [(Path(item.source).name, str(item.output)) for item in find([str(folder)])] == [
        ("a.jpg", "detected_a.jpg"),
        ("a.png", "sub/detected_a.png"),
        ("c.GIF", "sub/deep/detected_c.jpg"),
    ]
    items = list(find([f"{folder}/**/a.*", str(folder / "a.jpg"), "https://x.example/dir/b.webp?size=1"]))
    assert [str(item.output) for item in items] == ["detected_a.jpg", "detected_a.png", "detected_b.webp"]


def test_photos_of_one_name_get_outputs_of_their_own(tmp_path: Path) -> None:
    for name in ("x/a.jpg", "y/a.jpg", "y/a.gif", "z/a_2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PHOTO)
    items = find([f"{tmp_path}/x/a.jpg", f"{tmp_path}/y/a.jpg", f"{tmp_path}/y/a.gif"])
    assert [str(item.output) for item in items] == ["detected_a.jpg", "detected_a_2.jpg", "detected_a_3.jpg"]
    items = find([f"{tmp_path}/x/a.jpg", f"{tmp_path}/y/a.jpg", f"{tmp_path}/z/a_2.jpg"])
    assert [str(item.output) for item in items] == ["detected_a.jpg", "detected_a_3.jpg", "detected_a_2.jpg"]


def test_a_number_in_a_photos_own_name_leads_to_no_output_twice() -> None:
    for names in itertools.permutations(["a.gif", "a.jpg", "a.bmp", "a_2.jpg", "a_2.gif"]):
        outputs = [item.output for item in find(names)]
        assert len(set(outputs)) == len(names), names
        assert outputs[0] == Path(f"detected_{Path(names[0]).stem}.jpg")


def test_a_proxys_own_refusal_of_a_large_photo_is_explained(folder: Path) -> None:
    refuse = Script(otherwise=lambda request: httpx.Response(413, html="<center>nginx</center>"))
    with refuse.client() as client, pytest.raises(ApiError, match="web server in front of the service"):
        client.detect(folder / "a.jpg")


def test_one_photo_is_annotated_into_a_file(folder: Path, script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "out" / "result.png"
    assert main([str(folder / "a.jpg"), "--out", str(out), "--threshold", "0.4"], script.client()) == 0
    assert out.read_bytes() == b"picture as png"
    assert capsys.readouterr().out.strip().endswith("a.jpg: 2 dog, 1 cat")
    assert b'name="threshold"\r\n\r\n0.4' in script.requests[0].content


def test_a_folder_is_annotated_into_a_folder(folder: Path, script: Script) -> None:
    out = folder.parent / "out"
    assert main([str(folder), "--out", str(out), "--jobs", "2"], script.client()) == 0
    written = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert written == {
        "detected_a.jpg": b"picture as jpeg",
        "sub/detected_a.png": b"picture as png",
        "sub/deep/detected_c.jpg": b"picture as jpeg",
    }


def test_results_are_printed_as_one_json_line_a_photo(
    folder: Path, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--json", "--classes", "dog, cat"], script.client()) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(line["source"]).name for line in lines] == ["a.jpg", "a.png", "c.GIF"]
    assert lines[0]["results"]["objects"] == OBJECTS
    assert b'name="classes"\r\n\r\ndog,cat' in script.requests[0].content


def test_a_photo_that_fails_does_not_stop_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return problem(422, "This photo is damaged.") if b"a.png" in request.content else ok()

    missing = str(folder / "missing.jpg")
    assert main([str(folder), missing], Script(otherwise=answer).client()) == 1
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert "a.png: This photo is damaged." in printed.err
    assert "missing.jpg: " in printed.err


@pytest.mark.parametrize("as_json", [False, True])
def test_a_name_that_is_not_utf_8_is_sent_and_printed_with_a_question_mark(
    tmp_path: Path, script: Script, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(PHOTO)
    (tmp_path / "d.jpg").write_bytes(PHOTO)
    out = tmp_path / "out"
    assert main([str(tmp_path), "--out", str(out), *(["--json"] if as_json else [])], script.client()) == 0
    assert any(b'filename="caf?.jpg"' in request.content for request in script.requests)
    first, second = capsys.readouterr().out.splitlines()
    if as_json:
        assert json.loads(first)["source"] == f"{tmp_path}/caf?.jpg"
    else:
        assert first == f"{tmp_path}/caf?.jpg: 2 dog, 1 cat"
    assert "d.jpg" in second
    assert os.fsencode(next(out.glob("*caf*")).name) == b"detected_caf\xe9.jpg"


def test_an_address_that_is_not_utf_8_does_not_stop_the_others(
    folder: Path, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([os.fsdecode(b"https://x.example/caf\xe9.jpg"), str(folder / "a.jpg")], script.client()) == 1
    assert "a.jpg: 2 dog, 1 cat" in capsys.readouterr().out


def test_what_the_terminal_cannot_show_is_a_question_mark(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ünï.jpg").write_bytes(PHOTO)
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, "ascii", write_through=True))
    assert main([str(tmp_path / "ünï.jpg")], script.client()) == 0
    assert terminal.getvalue().endswith(b"?n?.jpg: 2 dog, 1 cat\n")


def test_nothing_to_send_and_a_file_for_several_are_wrong_use(folder: Path, script: Script) -> None:
    assert main([str(folder / "sub" / "*.tiff")], script.client()) == 2
    assert main([str(folder), "--out", "one.jpg"], script.client()) == 2
    assert script.requests == []


@pytest.mark.parametrize("name", ["found.gif", "found.TIFF"])
def test_a_file_that_cannot_be_written_is_wrong_use(
    folder: Path, script: Script, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main([str(folder / "a.jpg"), "--out", str(folder / name)], script.client()) == 2
    assert "JPEG, PNG or WebP" in capsys.readouterr().err
    assert (script.requests, (folder / name).exists()) == ([], False)


@pytest.mark.parametrize(
    "address", ["http://[::1", "http://x:abc", "http://x:65536", "127.0.0.1:5000", "ftp://x", "http://", "http://ü..b"]
)
def test_a_malformed_server_address_is_wrong_use(
    folder: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    assert main([str(folder / "a.jpg"), "--server", address]) == 2
    assert capsys.readouterr().err == f"{address!r} is not a server's address such as http://127.0.0.1:5000.\n"


@pytest.mark.parametrize("key", ["schlüssel", "fd_a\nX-Evil: 1"])
def test_a_malformed_key_is_wrong_use(folder: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
    assert main([str(folder / "a.jpg"), "--key", key]) == 2
    assert capsys.readouterr().err == "The API key has characters that cannot be in a key.\n"


@pytest.mark.parametrize("value", ["1.5", "-0.1", "abc"])
def test_a_threshold_out_of_range_is_wrong_use(value: str) -> None:
    with pytest.raises(SystemExit):
        main(["a.jpg", "--threshold", value])
