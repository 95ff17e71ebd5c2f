"""The whole way of weights, from a host that breaks off in the middle to the model that answers.

The program runs from a clone whose catalogue names a server of ours in the place of the hosts.
"""

import hashlib
import io
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import torch
from flask.testing import FlaskClient
from torchvision.models import resnet50
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops.misc import FrozenBatchNorm2d

from app import create_app
from app.config.settings import Settings
from app.queue.services import Services
from tests.conftest import ROOT
from tests.fixtures.worker import Worker
from tests.http_server import Seen, reply, serving

NAME, TITLE = "mask_rcnn_r50_fpn", "Mask R-CNN R50-FPN (torchvision)"
PATH = "/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"
NOTE = f"Starter Mask R-CNN answers while {TITLE} is being fetched."


@pytest.fixture(scope="module")
def weights() -> bytes:
    """A file as PyTorch's host sends it, of a much narrower network with random weights."""
    torch.manual_seed(0)
    body = resnet50(norm_layer=FrozenBatchNorm2d, width_per_group=8)
    levels = {f"layer{level}": str(level) for level in (1, 2, 3, 4)}
    net = MaskRCNN(BackboneWithFPN(body, levels, [256, 512, 1024, 2048], 32), num_classes=91)
    state = {name: value for name, value in net.state_dict().items() if not name.startswith("backbone.body.fc.")}
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@dataclass
class Host:
    """A host that has one file: it breaks off in the middle, then sends the rest slowly until it may go on."""

    data: bytes
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        if seen.path != PATH:
            return reply(handler, 404)
        start = int((re.findall(r"bytes=(\d+)-", seen.headers.get("range", "")) or ["0"])[0])
        rest = memoryview(self.data)[start:]
        handler.send_response(206 if start else 200)
        handler.send_header("Accept-Ranges", "bytes")
        handler.send_header("Content-Length", str(len(rest)))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.data) - 1}/{len(self.data)}")
        handler.end_headers()
        handler.close_connection = True
        if not start:
            handler.wfile.write(rest[: len(rest) // 2])
            return None
        while not self.may_go_on.wait(1):  # So slowly that it is not taken for silent.
            handler.wfile.write(rest[:1])
            rest = rest[1:]
        handler.wfile.write(rest)
        return None


def clone(folder: Path, port: int, weights: bytes) -> Path:
    """A copy of the program in which both hosts are a local server, and the hash is that of these weights."""
    for name in ("app", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "worker.py", folder)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "starter.pth").symlink_to(ROOT / "checkpoints" / "starter.pth")
    catalogue = folder / "configs" / "models.toml"
    text = re.sub(
        r"https://download\.(openmmlab\.com|pytorch\.org)/", f"http://127.0.0.1:{port}/", catalogue.read_text()
    )
    catalogue.write_text(re.sub(r'"bf2d0c1e[0-9a-f]*"', f'"{hashlib.sha256(weights).hexdigest()}"', text))
    return folder


@pytest.fixture
def services(tmp_path: Path, clean_redis_url: str) -> Services:
    made = Services.from_settings(
        Settings(data_dir=str(tmp_path / "data"), redis_url=clean_redis_url, secret_key="a key for the tests")
    )
    made.store.migrate()
    return made


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()


def answered_by(client: FlaskClient, photo: str) -> str:
    """The model that finds the objects in a photo."""
    form = {"file": (io.BytesIO((ROOT / "test_images" / photo).read_bytes()), photo)}
    run: Any = client.post("/api/v1/runs?wait=60&analyses=objects", data=form).get_json()
    assert run["state"] == "done", run
    return str(run["results"]["objects"]["model"]["model"])


@pytest.fixture
def host(weights: bytes) -> Iterator[Host]:
    made = Host(weights)
    yield made
    made.may_go_on.set()


def test_the_starter_answers_until_weights_are_fetched_converted_and_built(
    host: Host, services: Services, client: FlaskClient, tmp_path: Path
) -> None:
    with serving(host.answer) as server:
        root = clone(tmp_path / "clone", server.port, host.data)
        more = {"ANALYSES": "objects", "DEVICE": "cpu", "NO_PROXY": "127.0.0.1", "CHECKPOINTS_DIR": "checkpoints"}
        worker = Worker(services.settings, root=root, **more)
        try:
            worker.wait_for("announced: objects by Starter Mask R-CNN")
            while NOTE not in client.get("/").text:
                worker.wait_for("announced")
            assert answered_by(client, "coffee.jpg") == "starter"
            host.may_go_on.set()
            worker.wait_for(f"announced: objects by {TITLE}")
            assert answered_by(client, "cat.jpg") == NAME
            assert "is being fetched" not in client.get("/").text
        finally:
            worker.stop()
    ranges = [seen.headers.get("range") for seen in server.seen if seen.path == PATH]
    assert ranges == [None, f"bytes={len(host.data) // 2}-"]
