"""The requests and programs that the documents show, as they stand there, against the service as it runs."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config.settings import Settings
from app.store import Store
from tests import drawings
from tests.conftest import ROOT
from tests.e2e import stack
from tests.unit.photos import jpeg

# A command and, where one stands below it, its answer; both may go on in indented lines.
REQUEST = re.compile(r"^(curl .*(?:\n +.*)*)(?:\n([\[{].*(?:\n .*)*))?", re.MULTILINE)
INDENTED = "\n".join((ROOT / name).read_text() for name in ("README.md", "docs/integrating.md"))
REQUESTS = [
    *REQUEST.findall((ROOT / "docs" / "api.md").read_text()),
    *REQUEST.findall(re.sub("^    ", "", INDENTED, flags=re.MULTILINE)),
]
CLIENT = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "integrating.md").read_text(), re.DOTALL)[0]
KEY = "the key of the admin"
ELSEWHERE = "https://"  # for which a test has no server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[str]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    folder = tmp_path_factory.mktemp("service")
    with stack.serving(folder, redis_url, stack.LIGHT, ADMIN_KEY=KEY) as address:
        store = Store.from_settings(Settings(data_dir=str(folder / "data")))
        os.environ["KEY"] = store.keys.create("tests")[1]
        store.close()
        yield address
        del os.environ["KEY"]


def answer_to(command: str, site: str, folder: Path) -> Any:
    """What a command prints, as JSON where it is; the test fails where the service answers with an error."""
    photo = jpeg(320, 240)
    (folder / "image.jpg").write_bytes(photo)
    (folder / "photo.jpg").write_bytes(photo)
    (folder / "fish.png").write_bytes(drawings.picture())
    (folder / "test_images").symlink_to(ROOT / "test_images")
    (folder / ".curlrc").write_text("silent\nshow-error\nfail\nmax-time = 60\n")
    run = httpx.post(f"{site}/api/v1/runs?wait=30", content=photo, headers={"Content-Type": "image/jpeg"}, timeout=60)
    (folder / "labelled.zip").write_bytes(labelled_zip())
    text = command.replace("http://127.0.0.1:5000", site).replace("/RUN", f"/{run.json()['id']}")
    text = text.replace('"RUN"', f'"{run.json()["id"]}"')
    if "/SET" in command:
        text = text.replace("/SET", f"/{data_set(site, filled='/photos' not in command)}")
    environ = {**os.environ, "CURL_HOME": str(folder), "ADMIN_KEY": KEY}
    done = subprocess.run(["bash", "-c", text], cwd=folder, env=environ, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout) if done.stdout[:1] in (b"{", b"[") else done.stdout


def labelled_zip() -> bytes:
    """A photo of a screw, in YOLO's form."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in (("classes.txt", "screw\n"), ("a.jpg", jpeg(320, 240)), ("a.txt", "0 0.5 0.5 0.5 0.5\n")):
            archive.writestr(name, content)
    return buffer.getvalue()


def data_set(site: str, *, filled: bool) -> str:
    """The id of a new data set."""
    headers = {"Authorization": f"Bearer {KEY}"}
    id = str(httpx.post(f"{site}/api/v1/datasets", json={"name": "Screws"}, headers=headers).json()["id"])
    if filled:
        zip_headers = {**headers, "Content-Type": "application/zip"}
        httpx.post(f"{site}/api/v1/datasets/{id}/photos", content=labelled_zip(), headers=zip_headers)
    return id


def shape(value: Any) -> Any:
    """What JSON is made of: the members of an object by name, the first of a list; counts have any names."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if type(inner) is not int}
    return [shape(each) for each in value[:1]] if isinstance(value, list) else type(value)


@pytest.mark.parametrize(("command", "written"), [pair for pair in REQUESTS if ELSEWHERE not in pair[0]])
def test_a_published_request_is_answered_in_the_published_shape(
    site: str, tmp_path: Path, command: str, written: str
) -> None:
    answer = answer_to(command, site, tmp_path)
    if written:
        assert shape(answer) == shape(json.loads(written.replace(", ...]", "]")))


def test_the_published_drawing_has_the_published_answer(site: str, tmp_path: Path) -> None:
    [(command, text)] = [pair for pair in REQUESTS if "probabilities" in pair[1]]
    answer, written = answer_to(command, site, tmp_path), json.loads(text)
    assert (answer["answer"], answer["sure"]) == (written["answer"], written["sure"])
    assert answer["probabilities"] == pytest.approx(written["probabilities"], abs=0.002)
    assert answer["not_sure"] == pytest.approx(written["not_sure"], abs=0.002)


def test_the_published_request_by_address_gets_as_far_as_the_address(site: str, tmp_path: Path) -> None:
    [command] = [command for command, _ in REQUESTS if ELSEWHERE in command]
    private = re.sub(r"https://[^\"]+", "http://127.0.0.1/photo.jpg", command).replace("curl", "curl --no-fail")
    assert answer_to(private, site, tmp_path)["code"] == "address-refused"


def test_the_published_program_writes_the_picture_and_the_export(site: str, tmp_path: Path) -> None:
    (tmp_path / "test_images").symlink_to(ROOT / "test_images")
    program = CLIENT.replace("http://127.0.0.1:5000", site)
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "annotated.jpg").read_bytes().startswith(b"\xff\xd8")
    assert json.loads((tmp_path / "coco.json").read_text())["images"][0]["file_name"] == "cat.jpg"
