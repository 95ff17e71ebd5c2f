"""What a person and a program do with the service: send a photo, wait, look at the answer."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.config.analyses import ANALYSES
from tests.conftest import ROOT
from tests.docker.containers import until

PHOTO = ROOT / "test_images" / "astronaut.jpg"
ANSWER = 120.0  # seconds that a photo may take


def client(address: str) -> httpx.Client:
    """A browser without scripts: it keeps cookies and follows redirects."""
    return httpx.Client(base_url=address, timeout=ANSWER, follow_redirects=True, trust_env=False)


def readiness(address: str) -> Any:
    """What /readyz says; empty while nobody answers."""
    try:
        with client(address) as browser:
            return browser.get("/readyz").json()
    except (httpx.HTTPError, ValueError):
        return {}


def ready(address: str, workers: int = 1) -> bool:
    """Whether photos can be sent, and so many workers are there."""
    state = readiness(address)
    return bool(state.get("ready")) and state["workers"] >= workers


def send_photo(address: str, photo: bytes) -> str:
    """Send a photo as the page's form does; the path of its run's page."""
    with client(address) as browser:
        token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/").text)
        assert token, "the page has no form"
        fields = {"csrf_token": token[1], "analyses": ANALYSES}
        page = browser.post("/", data=fields, files={"photo": ("photo.jpg", photo)})
        page.raise_for_status()
        return page.url.path


def assert_answered(address: str, page: str) -> None:
    """Wait for the run to be done, and look at its photo."""
    with client(address) as browser:

        def state() -> str:
            return str(browser.get(f"{page}/status").json()["state"])

        until(lambda: state() in ("done", "failed"), ANSWER, f"{page} is not done")
        assert state() == "done", f"{page} failed"
        download = browser.get(f"{page}/download")
    assert download.content[:2] == b"\xff\xd8"
    assert download.content != PHOTO.read_bytes(), "the download is no annotated photo"
    assert "attachment" in download.headers["Content-Disposition"]
    assert "detected_photo" in download.headers["Content-Disposition"]


def assert_data_science(address: str) -> None:
    """Every analysis answers `/do_data_science`: labels, objects, and a picture with the one face."""
    with client(address) as browser:
        answer = browser.post("/do_data_science", files={"file": ("photo.jpg", PHOTO.read_bytes())}).json()
        assert not answer["error"]
        assert len(json.loads(answer["resnet"])) == 3
        assert "person" in json.loads(answer["yolov3"])
        pictures = {browser.get(urlsplit(answer[name]).path).content for name in ("original", "faces_source")}
    assert len(pictures) == 2, "no face was drawn"
