"""What a person and a program do with the service: send a photo, wait, look at the answer."""

import http.cookiejar
import json
import re
import secrets
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from containers import ROOT, Failure, expect, saw, until

PHOTO = ROOT / "test_images" / "astronaut.jpg"
ANALYSES = ("objects", "faces", "labels")
ANSWER = 120.0  # seconds that a photo may take


def readiness(address: str) -> Any:
    """What /readyz says; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=10) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        return json.loads(error.read() or b"{}") if error.code == 503 else {}
    except (OSError, ValueError):
        return {}


def ready(address: str, workers: int = 1) -> bool:
    """Whether photos can be sent, and so many workers are there."""
    state = readiness(address)
    return bool(state.get("ready")) and state["workers"] >= workers


def send_photo(address: str, photo: bytes, analyses: Sequence[str] = ANALYSES) -> str:
    """Send a photo as the page's form does; the path of its run's page."""
    visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = visitor.open(address + "/", timeout=30).read().decode()
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    if not token:
        raise Failure("the page has no form")
    edge = secrets.token_hex(8)
    fields = [("csrf_token", token[1]), *(("analyses", name) for name in analyses)]
    body = "".join(
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    )
    body += f'--{edge}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n\r\n'
    data = body.encode() + photo + f"\r\n--{edge}--\r\n".encode()
    request = urllib.request.Request(address + "/", data, {"Content-Type": f"multipart/form-data; boundary={edge}"})
    with visitor.open(request, timeout=60) as response:
        return str(response.url).removeprefix(address).split("?")[0]


def check_answer(address: str, page: str) -> None:
    """Wait for the run to be done, and look at its photo."""

    def state() -> str:
        with urllib.request.urlopen(f"{address}{page}/status", timeout=30) as response:
            return str(json.load(response)["state"])

    until(lambda: state() in ("done", "failed"), ANSWER, f"{page} is not done")
    expect(state() == "done", f"{page} failed")
    with urllib.request.urlopen(f"{address}{page}/download", timeout=60) as response:
        image, disposition = response.read(), response.headers["Content-Disposition"]
    expect(image[:2] == b"\xff\xd8" and image != PHOTO.read_bytes(), "the download is no annotated photo")
    expect("attachment" in disposition and "detected_photo" in disposition, f"it is sent as {disposition}")


def check_data_science(address: str) -> None:
    """Every analysis answers `/do_data_science`: labels, objects, and a picture with the one face."""
    edge = secrets.token_hex(8)
    head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    data = head.encode() + PHOTO.read_bytes() + f"\r\n--{edge}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    request = urllib.request.Request(f"{address}/do_data_science", data, headers)
    with urllib.request.urlopen(request, timeout=ANSWER) as response:
        answer = json.load(response)
    expect(not answer["error"], f"/do_data_science says {answer['error']}")
    labels, objects = json.loads(answer["resnet"]), json.loads(answer["yolov3"])
    expect(len(labels) == 3 and "person" in objects, f"/do_data_science finds {labels} and {objects}")
    pictures = {}
    for name in ("original", "faces_source"):
        path = urllib.parse.urlsplit(answer[name]).path
        with urllib.request.urlopen(address + path, timeout=60) as response:
            pictures[name] = response.read()
    expect(len(set(pictures.values())) == 2, "no face was drawn")
    saw(f"/do_data_science finds {', '.join(objects)} and a face, and calls it {next(iter(labels))}")
