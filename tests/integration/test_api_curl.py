"""The published requests of every API, made by curl, against the service as it runs: gunicorn, Redis, a worker."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import drawings
from tests.e2e import stack
from tests.unit.photos import jpeg

PHOTO = jpeg(320, 240)
ADMIN = "the key of the admin"


class Curl:
    """curl in a folder with `image.jpg`; addresses that begin with a slash are the service's."""

    def __init__(self, site: str, folder: Path):
        self.site, self.folder = site, folder
        (folder / "image.jpg").write_bytes(PHOTO)

    def __call__(self, *args: str) -> bytes:
        full = [f"{self.site}{arg}" if arg.startswith("/") else arg for arg in args]
        command = ["curl", "-sS", "--max-time", "60", *full]
        return subprocess.run(command, check=True, capture_output=True, cwd=self.folder).stdout

    def json(self, *args: str) -> Any:
        return json.loads(self(*args))

    def status(self, *args: str) -> int:
        return int(self("-o", "unread", "-w", "%{http_code}", *args))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[str]:
    with stack.serving(tmp_path_factory.mktemp("service"), redis_url, stack.LIGHT, ADMIN_KEY=ADMIN) as address:
        yield address


@pytest.fixture
def curl(site: str, tmp_path: Path) -> Curl:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return Curl(site, tmp_path)


def fresh(curl: Curl, width: int) -> None:
    """Another photo, which no test sent before."""
    (curl.folder / "image.jpg").write_bytes(jpeg(width, 90))


# The REST API


def test_a_form_file_that_waits_is_answered_with_its_result(curl: Curl) -> None:
    run = curl.json("-F", "file=@image.jpg", "/api/v1/runs?wait=30")
    assert (run["state"], run["name"]) == ("done", "image.jpg")
    assert run["results"]["objects"]["instances"][0]["class"] == "person"
    assert run["timings"]["total"] is not None


def test_a_raw_body_is_accepted_and_followed_to_its_end_by_events(curl: Curl) -> None:
    (curl.folder / "image.jpg").write_bytes(jpeg(333, 200))  # which the worker takes its time for
    answer = curl("-i", "--data-binary", "@image.jpg", "-H", "Content-Type: image/jpeg", "/api/v1/runs").decode()
    assert answer.startswith("HTTP/1.1 202")
    location = re.search(r"^Location: (\S+)", answer, re.MULTILINE | re.IGNORECASE)
    assert location
    assert location[1].startswith(curl.site)
    events = curl("-N", f"{location[1]}/events").decode()
    names = re.findall(r"^event: (\w+)$", events, re.MULTILINE)
    assert names[-1] == "done"
    assert set(names[:-1]) <= {"position", "running"}
    assert "running" in names


def test_prefer_wait_and_base64_in_json(curl: Curl) -> None:
    body = json.dumps({"image": base64.b64encode(PHOTO).decode(), "analyses": ["faces"], "threshold": 0.3})
    (curl.folder / "body.json").write_text(body)
    given = ("-H", "Content-Type: application/json", "-H", "Prefer: wait=30", "-d", "@body.json")
    run = curl.json(*given, "/api/v1/runs")
    assert list(run["results"]) == ["faces"]
    assert run["threshold"] == 0.3


def test_a_repeated_request_makes_no_second_run(curl: Curl) -> None:
    fresh(curl, 101)
    key = ("-H", "Idempotency-Key: 8e03978e-40d5-43e8-bc93-6894a57f9324")
    ids = {curl.json("-F", "file=@image.jpg", *key, "/api/v1/runs")["id"] for _ in range(3)}
    assert len(ids) == 1


def test_image_export_and_models_come_as_files_and_json(curl: Curl) -> None:
    run = curl.json("-F", "file=@image.jpg", "/api/v1/runs?wait=30")
    picture = curl(f"{run['links']['image']}?threshold=0.7&format=webp")
    assert picture[8:12] == b"WEBP"
    assert json.loads(curl(f"{run['links']['export']}?format=coco"))["annotations"]
    models = curl.json("/api/v1/models")
    assert models["workers"] == 1
    assert {model["analyzer"] for model in models["models"]} == {"objects", "faces", "labels"}


def test_a_drawing_is_sent_as_strokes_as_an_image_and_as_the_older_form(curl: Curl) -> None:
    (curl.folder / "fish.png").write_bytes(drawings.picture())
    (curl.folder / "fish.txt").write_text(f"data:image/png;base64,{base64.b64encode(drawings.picture()).decode()}")
    strokes = json.dumps({"strokes": drawings.FISH})
    sent = [("Content-Type: application/json", strokes), ("Content-Type: image/png", "@fish.png")]
    for kind, data in sent:
        assert curl.json("-H", kind, "--data-binary", data, "/api/v1/drawings")["answer"] == "fish"
    assert b'data-answer="fish"' in curl("--data-urlencode", "url@fish.txt", "/predict")
    assert curl.status("-d", "", "-H", "Content-Type: image/png", "/api/v1/drawings") == 422


def test_a_cookie_keeps_runs_together_and_lets_its_owner_delete_them(curl: Curl) -> None:
    jar = ("-b", "jar", "-c", "jar")
    id = curl.json(*jar, "-F", "file=@image.jpg", "/api/v1/runs?wait=30")["id"]
    assert [run["id"] for run in curl.json(*jar, "/api/v1/runs")["runs"]] == [id]
    assert curl.status("-X", "DELETE", f"/api/v1/runs/{id}") == 403
    assert curl.status(*jar, "-X", "DELETE", f"/api/v1/runs/{id}") == 204
    assert curl.status(f"/api/v1/runs/{id}") == 404


def test_a_chunked_upload_is_refused_as_a_problem(curl: Curl) -> None:
    chunked = ("-H", "Transfer-Encoding: chunked", "-H", "Content-Type: image/jpeg", "--data-binary", "@image.jpg")
    answer = curl("-i", *chunked, "/api/v1/runs").decode()
    assert answer.startswith("HTTP/1.1 411")
    assert "application/problem+json" in answer


def test_while_every_place_to_wait_is_taken_others_are_still_served(curl: Curl) -> None:
    (curl.folder / "image.jpg").write_bytes(jpeg(333, 150))
    upload = ["curl", "-sS", "-F", "file=@image.jpg", "-w", "%{http_code}", "-o", "unread"]
    waiting = [
        subprocess.Popen([*upload, f"{curl.site}/api/v1/runs?wait=30"], cwd=curl.folder, stdout=subprocess.PIPE)
        for _ in range(16)
    ]
    assert curl.status("/api/v1/models") == 200
    statuses = {int(process.communicate(timeout=60)[0]) for process in waiting}
    assert statuses <= {200, 202}
    assert 200 in statuses


# The classic APIs, as their own documentation shows the requests


def test_classify_counts_objects(curl: Curl) -> None:
    given = ("-X", "POST", "-H", "Content-Type: image/jpeg", "--data-binary", "@image.jpg")
    assert curl.json(*given, "/classify?threshold=0.8") == {"Person": 2, "Car": 1}


def test_classify_verbose_lists_them_with_normalized_coordinates(curl: Curl) -> None:
    given = ("-X", "POST", "-H", "Content-Type: image/jpeg", "--data-binary", "@image.jpg")
    found = curl.json(*given, "/classify?threshold=0.7&verbose=true")
    assert [thing["class"] for thing in found] == ["Person", "Car", "Person", "Dog"]
    assert all(0 <= thing[side] <= 1 for thing in found for side in ("x1", "y1", "x2", "y2"))
    assert found[0]["x1"] == pytest.approx(0.16, abs=0.01)


def test_classify_takes_what_curl_sends_by_itself(curl: Curl) -> None:
    assert curl.json("--data-binary", "@image.jpg", "/classify") == {"Person": 2, "Car": 1, "Dog": 1}


def test_classify_refuses_a_file_that_is_not_a_photo(curl: Curl) -> None:
    (curl.folder / "image.jpg").write_text("hello")
    answer = curl("-i", "--data-binary", "@image.jpg", "/classify").decode()
    assert answer.startswith("HTTP/1.1 415")
    assert set(json.loads(answer.partition("\r\n\r\n")[2])) == {"error"}


def test_image_answers_the_annotated_photo(curl: Curl) -> None:
    body = json.dumps({"name": "a.jpg", "Uint8array": base64.b64encode(PHOTO).decode()})
    (curl.folder / "body.json").write_text(body)
    answer = curl.json("-H", "Content-Type: application/json", "-d", "@body.json", "/image")
    assert (answer["name"], answer["ext"], answer["processed"]) == ("modified-a.jpg", "jpg", True)
    assert answer["labels"] == ["person", "car", "person", "dog"]
    assert len(base64.b64decode(answer["prediction_image"])) == answer["size"]


def test_do_data_science_looks_three_times_and_stores_its_pictures(curl: Curl) -> None:
    answer = curl.json("-F", "file=@image.jpg", "/do_data_science")
    assert (answer["error"], answer["hash"]) == ("", hashlib.md5(PHOTO).hexdigest())
    assert list(json.loads(answer["resnet"])) == ["street_sign", "parking_meter", "cab"]
    assert list(json.loads(answer["yolov3"])) == ["person", "car", "dog", "backpack"]
    for name in ("original", "yolov3_source", "faces_source"):
        assert curl(answer[name]).startswith(b"\xff\xd8")
    assert curl.json("-F", "file=@image.jpg", "/do_data_science") == answer


def test_do_data_science_url_refuses_private_addresses_in_its_shape(curl: Curl) -> None:
    answer = curl.json("-F", "url=http://127.0.0.1/", "/do_data_science_url")
    assert "public" in answer["error"]
    assert (answer["hash"], answer["resnet"]) == ("", "")


def test_log_and_reset_answer_the_administrator_alone(curl: Curl) -> None:
    original = curl.json("-F", "file=@image.jpg", "/do_data_science")["original"]
    key = ("-X", "POST", "-H", f"Authorization: Bearer {ADMIN}")
    assert curl.status("-X", "POST", "/reset") == curl.status("-X", "POST", "/log") == 403
    assert hashlib.md5(PHOTO).hexdigest() in curl(*key, "/log").decode()
    assert curl.status(*key, "/reset") == 303
    assert curl.status(original) == 404
