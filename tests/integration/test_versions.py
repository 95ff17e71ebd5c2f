"""Versions: in every store, and taken up by a worker without a gap."""

import io
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.config.settings import Settings
from app.errors import NotFound
from app.intake import read_photo
from app.queue.services import Services
from app.queue.submit import submit
from app.store import Store
from app.store.models import Run
from app.store.states import FINISHED, State
from app.store.versions import InUse, NothingBefore, model_name
from app.vision.catalogue.models import CatalogueError
from app.vision.catalogue.packed import unpack
from app.vision.catalogue.zoo import only_model
from app.vision.engine.__main__ import main as export
from tests.fixtures.trained import write_trained
from tests.fixtures.worker import PATIENCE, Worker


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trained(tmp_path_factory.mktemp("trained") / "out")


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    """The same with its engine."""
    assert export([str(trained)]) == 0
    return trained


def test_a_version_comes_out_of_the_store_as_it_went_in(store: Store, trained: Path, tmp_path: Path) -> None:
    version = store.versions.add(trained, "Screws", {"minutes": 2})
    assert [(each.title, each.card) for each in store.versions.all()] == [("Screws", {"minutes": 2})]
    unpack(store.versions.data(version.id), tmp_path / "again")
    model = only_model(tmp_path / "again")
    assert (model.name, model.title, model.home) == (model_name(version.id), "Screws", tmp_path / "again")
    assert (tmp_path / "again" / "detector.pth").read_bytes() == (trained / "detector.pth").read_bytes()
    assert [*tmp_path.glob("*.part-*")] == []


def test_versions_are_promoted_rolled_back_and_deleted(either_store: Store, trained: Path) -> None:
    versions = either_store.versions
    with pytest.raises(NothingBefore):
        versions.roll_back()
    one, two = (versions.add(trained, title, {}).id for title in ("One", "Two"))
    assert versions.current() is None
    for id in (one, two, two):
        versions.promote(id)
        assert versions.current() == id
    with pytest.raises(InUse):
        versions.delete(two)
    assert versions.roll_back() == one
    versions.delete(two)
    assert versions.roll_back() is None
    assert versions.current() is None
    versions.promote(one)
    versions.promote(None)
    assert versions.current() is None
    versions.delete(one)
    assert (versions.all(), [*either_store.blobs.keys("versions/")]) == ([], [])
    for ask in (versions.get, versions.delete, versions.promote):
        with pytest.raises(NotFound):
            ask(one)


def test_a_folder_that_no_training_left_is_no_version(either_store: Store, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError):
        either_store.versions.add(tmp_path, "Nothing", {})
    assert [*either_store.versions.all()] == []


@pytest.fixture
def services(tmp_path: Path, clean_redis_url: str) -> Services:
    settings = Settings(data_dir=str(tmp_path / "data"), redis_url=clean_redis_url, secret_key="a key for the tests")
    made = Services.from_settings(settings)
    made.store.migrate()
    return made


def photo() -> bytes:
    pixels = np.random.default_rng().integers(0, 255, (64, 96, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


class Sender(threading.Thread):
    """Sends a photo, and the next one when it is answered, until told to stop."""

    def __init__(self, services: Services):
        super().__init__()
        self.runs: list[Run] = []
        self.enough = threading.Event()
        self._services = services

    def run(self) -> None:
        while not self.enough.is_set():
            self.runs.append(ended(self._services, send(self._services)))


def send(services: Services) -> Run:
    checked = read_photo(photo(), max_bytes=2**20, max_pixels=10**6)
    return submit(services, checked, name="a.png", analyses=["objects"], owner="v:a")


def started(settings: Settings, folder: Path) -> Worker:
    """A worker whose settings name a trained model."""
    return Worker(settings, MODEL=str(folder), ANALYSES="objects", DEVICE="cpu", ENGINE="openvino")


def test_a_promoted_version_is_taken_up_without_a_gap_and_rolled_back(services: Services, exported: Path) -> None:
    versions = services.store.versions
    version = versions.add(exported, "Screws", {}).id
    home = services.settings.data_path / "versions" / version
    unpack(versions.data(version), home)
    shutil.copytree(exported / "engine", home / "engine")  # Making it takes long, and is tested elsewhere.
    worker, sender = started(services.settings, exported), Sender(services)
    try:
        worker.wait_for("announced: objects by Starter")
        sender.start()
        versions.promote(version)
        worker.wait_for("announced: objects by Screws")
        assert services.jobs.workers() >= 1
        assert ended(services, send(services)).analyses[0].identity.startswith(f"{model_name(version)}@")
        versions.roll_back()
        worker.wait_for("announced: objects by Starter")
        assert services.jobs.workers() >= 1
    finally:
        sender.enough.set()
        sender.join()
        worker.stop()
    assert {run.state for run in sender.runs} == {State.DONE}
    models = {run.analyses[0].identity.split("@")[0] for run in sender.runs}
    assert models == {"detector", model_name(version)}


def test_a_version_that_cannot_be_had_changes_nothing(services: Services, exported: Path) -> None:
    version = services.store.versions.add(exported, "Screws", {}).id
    shutil.rmtree(services.settings.data_path / "blobs" / "versions")
    services.store.versions.promote(version)
    worker = started(services.settings, exported)
    try:
        worker.wait_for("the default version is not taken up")
        worker.wait_for("announced: objects by Starter")
        assert ended(services, send(services)).state == State.DONE
    finally:
        worker.stop()


def ended(services: Services, run: Run) -> Run:
    """The run once it is over."""
    services.jobs.wait(run.id, PATIENCE, until=lambda: services.store.get_run(run.id).state in FINISHED)
    return services.store.get_run(run.id)
