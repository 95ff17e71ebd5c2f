"""The client, its command and webhooks against the real application, with the worker's part played by the test."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from PIL import Image
from werkzeug.serving import make_server

from app import create_app
from app.client import ApiError, Client, verify
from app.config.settings import Settings
from app.intake.address import Guard
from app.queue.services import Services
from app.vision import masks
from app.vision.analyses.objects.result import Instances
from app.vision.results import Analysed, ModelCard
from app.worker.webhooks import deliver_due, shown_secret
from tests.conftest import ROOT
from tests.http_server import reply, serving
from tests.unit.photos import jpeg

CARD = ModelCard("objects", "model", "A model", "1", "0123" * 16, ("cat", "dog"))
HERE = Guard(allows=lambda address: address == "127.0.0.1", ports=None)


def found(height: int, width: int) -> Analysed:
    """A dog, and a cat below the usual threshold."""
    boxes = np.array([[2, 3, 20, 30], [30, 10, 60, 40]], np.float32)
    drawn = tuple(masks.encode(np.ones((10, 12), bool), x, y, (height, width)) for x, y in ((4, 6), (32, 12)))
    scores, labels = np.array([0.9, 0.3], np.float32), np.array([1, 0])
    return Analysed(CARD, Instances((height, width), CARD.classes, boxes, scores, labels, drawn), {"detect": 0.01})


class Worker(threading.Thread):
    """Answers every analysis in the queue, as a worker would, without a model."""

    def __init__(self, services: Services):
        super().__init__(daemon=True)
        self.services, self.stopped = services, threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.01):
            for id in self.services.jobs.waiting():
                self.services.jobs.cancel(id)
                analysis = self.services.store.start_analysis(id)
                assert analysis is not None
                result = found(analysis.photo.height, analysis.photo.width)
                self.services.jobs.publish(self.services.store.finish_analysis(id, result))


@pytest.fixture
def services(settings: Settings, clean_redis_url: str) -> Iterator[Services]:
    services = Services.from_settings(replace(settings, redis_url=clean_redis_url))
    services.store.migrate()
    services.jobs.announce([CARD], {})
    worker = Worker(services)
    worker.start()
    yield services
    worker.stopped.set()
    worker.join()
    services.store.close()


@pytest.fixture
def app(services: Services) -> Flask:
    app = create_app(services)
    app.extensions["address_guard"] = HERE
    return app


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """Address of the real application on loopback."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def client(address: str, services: Services) -> Iterator[Client]:
    _, secret = services.store.keys.create("tests")
    with Client(address, secret) as client:
        yield client


def test_a_photo_is_sent_waited_for_and_shown(client: Client, tmp_path: Path) -> None:
    photo = tmp_path / "dog.jpg"
    photo.write_bytes(jpeg(80, 60))
    run = client.detect(photo, timeout=30)
    assert (run.state, run.name) == ("done", "dog.jpg")
    (dog,) = run.objects
    assert (dog.name, dog.score, dog.box) == ("dog", pytest.approx(0.9), (2, 3, 20, 30))
    assert [seen.name for seen in client.run(run.id, threshold=0.2).objects] == ["dog", "cat"]
    with Image.open(io.BytesIO(client.image(run.id, format="png"))) as image:
        assert (image.format, image.size) == ("PNG", (80, 60))
    assert [category["name"] for category in json.loads(client.export(run.id, "coco"))["categories"]]


def test_options_of_the_run_are_kept(client: Client) -> None:
    run = client.detect(jpeg(), timeout=30, name="a.jpg", threshold=0.2, classes=["cat"], analyses=["objects"])
    assert [seen.name for seen in run.objects] == ["cat"]


def test_runs_are_listed_and_deleted(client: Client) -> None:
    ids = [client.detect(jpeg(70 + n, 50), timeout=30).id for n in range(3)]
    assert [run.id for run in client.runs(limit=2)] == ids[::-1]
    assert [model["model"] for model in client.models()] == ["model"]
    client.delete(ids[0])
    with pytest.raises(ApiError) as caught:
        client.run(ids[0])
    assert caught.value.status == 404


@pytest.mark.parametrize(("data", "status"), [(b"hello", 415), (jpeg()[:-50], 422), (b"", 400)])
def test_a_file_that_is_not_a_photo_is_refused_with_the_servers_message(
    client: Client, data: bytes, status: int
) -> None:
    with pytest.raises(ApiError) as caught:
        client.submit(data)
    assert caught.value.status == status
    assert caught.value.message.endswith(".")


def test_a_wrong_key_is_refused(address: str) -> None:
    with Client(address, "wrong") as stranger, pytest.raises(ApiError, match="key") as caught:
        stranger.submit(jpeg())
    assert caught.value.status == 401


def test_a_photo_can_be_named_by_its_address(client: Client) -> None:
    with serving(lambda seen, handler: reply(handler, body=jpeg(80, 50))) as server:
        run = client.detect(f"http://127.0.0.1:{server.port}/far.jpg", timeout=30)
    assert (run.state, run.name, run.data["photo"]["width"]) == ("done", "far.jpg", 80)


def test_a_private_address_is_refused(app: Flask, client: Client) -> None:
    app.extensions["address_guard"] = Guard()
    with serving(lambda seen, handler: reply(handler, body=jpeg())) as server:
        for option in (
            {"photo": f"http://127.0.0.1:{server.port}/a.jpg"},
            {"photo": jpeg(), "webhook": "http://10.0.0.1/"},
        ):
            with pytest.raises(ApiError) as caught:
                client.submit(**option)  # type: ignore[arg-type]
            assert caught.value.status == 422
        assert server.seen == []


def test_a_webhook_brings_what_the_api_shows(client: Client, services: Services) -> None:
    with serving(lambda seen, handler: reply(handler, 204)) as server:
        run = client.detect(jpeg(), timeout=30, webhook=f"http://127.0.0.1:{server.port}/hook")
        assert deliver_due(services, guard=HERE) == 1
        (seen,) = server.seen
    verify(shown_secret(services.settings), seen.headers, seen.body)
    body = json.loads(seen.body)
    shown = client.run(run.id).data
    assert body["type"] == "run.done"
    assert body["data"] == {
        name: value for name, value in shown.items() if name not in ("links", "position", "eta", "batch")
    }


def test_the_command_annotates_a_folder(address: str, tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(jpeg(64, 48))
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    command = [sys.executable, "-m", "app.client", "in", "--out", "out", "--json", "--server", address]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "broken.png: This photo is damaged" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["source"] for line in lines] == ["in/a.jpg", "in/sub/b.jpg"]
    assert lines[0]["results"]["objects"]["instances"][0]["class"] == "dog"
    for name in ("detected_a.jpg", "sub/detected_b.jpg"):
        with Image.open(tmp_path / "out" / name) as image:
            assert (image.format, image.size) == ("JPEG", (64, 48))
