"""Trainings: their states in the store, what their worker does, and one from a data set to a version."""

import io
import os
import sys
import threading
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from app.config.settings import Settings
from app.datasets.check import Limits, check
from app.datasets.coco import read_coco
from app.datasets.compared import load
from app.datasets.read import read_folder
from app.datasets.split import PARTS
from app.errors import NotFound
from app.queue.services import Services
from app.store import Store, StoreUnavailable
from app.store.models import Training, utcnow
from app.store.states import State
from app.store.trainings import PHOTOS, STATE, TakenOver
from app.vision.catalogue.models import CatalogueError
from app.worker import training, training_folder
from app.worker.training import TrainingTask
from app.worker.training_folder import TrainingFolder, progress
from tests.fixtures.squares import COLOURS, write_squares
from tests.fixtures.trained import write_trained
from tests.unit.api_service import empty_store, jobs_on_fake_redis

# Stands in for the trainer: it takes steps until it is told to stop, or for a time; and goes on from its last one.
TRAINER = """
import json, pathlib, shutil, signal, sys, time
out, steps, trained = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
stop = []
signal.signal(signal.SIGINT, lambda *_: stop.append(1))
out.mkdir(parents=True, exist_ok=True)
(out / "plan.json").write_text(json.dumps({"steps": steps}))
log, state = out / "log.jsonl", out / "last.pth"
step = int(state.read_text()) if state.is_file() else 0
while step < steps:
    step += 1
    with log.open("a") as file:
        file.write(json.dumps({"step": step, "loss": 1 / step, "seconds": 0.01}) + chr(10))
    state.write_text(str(step))
    if stop:
        sys.exit(130)
    time.sleep(0.01)
shutil.copytree(trained, out, dirs_exist_ok=True)
(out / "card.json").write_text(json.dumps({"steps": steps}))
"""


@pytest.fixture
def services(settings: Settings) -> Services:
    return Services(settings, empty_store(settings), jobs_on_fake_redis(settings))


@pytest.fixture
def data_set(services: Services, tmp_path: Path) -> str:
    """The id of a data set of squares."""
    return squares(services.store, tmp_path)


def squares(store: Store, folder: Path) -> str:
    found = read_folder(write_squares(folder / "squares"))
    photos, problems = check(found, Limits(10**7, 10**7))
    assert problems == []
    id = store.data_sets.create("Squares", share=0.3).id
    store.data_sets.add(id, photos)
    return id


def begun(services: Services, data_set: str) -> str:
    return services.store.trainings.create(data_set, "starter", 0.1, "My squares").id


def of(services: Services, id: str) -> Training:
    return services.store.trainings.get(id)


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], None]:
    """Puts the stand-in of the trainer in its place, with a number of steps."""
    trained = write_trained(tmp_path / "trained")

    def use(steps: int) -> None:
        def command(training: Training, folder: TrainingFolder) -> list[str]:
            for part in PARTS:
                assert len(read_coco(folder.data / part).samples) > 1
            return [sys.executable, "-c", TRAINER, str(folder.out), str(steps), str(trained)]

        monkeypatch.setattr(training, "_command", command)
        monkeypatch.setattr(training, "TICK", 0.02)
        monkeypatch.setattr(training, "leave_cpus_to_others", lambda: None)

    return use


def test_a_training_waits_runs_stops_and_goes_on(either_store: Store) -> None:
    store = either_store.trainings
    with pytest.raises(NotFound):
        store.create("a" * 22, "starter", 1, "Screws")
    id = store.create(either_store.data_sets.create("Screws").id, "starter", 1, "Screws").id
    assert store.pending() == [id]
    started = store.start(id)
    assert started is not None
    assert started.state == State.RUNNING
    assert store.start(id) is None
    assert store.pending() == []
    assert not store.beat(started, {"step": 3})
    store.stop(id)
    assert store.beat(started, {"step": 4})
    assert not store.resume(id)
    store.end(id, State.CANCELLED)
    assert store.start(id) is None
    assert store.resume(id)
    assert (store.get(id).state, store.get(id).stopping) == (State.QUEUED, False)
    store.stop(id)
    assert store.get(id).state == State.CANCELLED


def test_a_training_whose_worker_was_lost_is_free_again(either_store: Store) -> None:
    store = either_store.trainings
    id = store.create(either_store.data_sets.create("Screws").id, "starter", 1, "Screws").id
    slept = store.start(id)
    fall_silent(either_store, id)
    assert store.pending() == [id]
    other = store.start(id)
    assert store.pending() == []
    assert slept is not None
    assert other is not None
    with pytest.raises(TakenOver):
        store.beat(slept, {"step": 3})
    store.beat(other, {"step": 2})
    store.beat(other, {"step": 4})
    assert store.get(id).progress == {"step": 4}


def fall_silent(store: Store, id: str) -> None:
    """Nobody has heard of the training's worker for a minute."""
    with store.database.writing() as session:
        lost = session.get(Training, id)
        assert lost is not None
        lost.alive_at = utcnow() - timedelta(minutes=1)


def test_a_worker_that_slept_leaves_a_training_to_the_one_that_took_it(
    services: Services, data_set: str, pretend: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(10**6)
    id, store = begun(services, data_set), services.store.trainings
    beat = type(store).beat
    taken: list[Training | None] = []

    def sleep_through(self: Any, training: Training, progress: dict[str, Any]) -> bool:
        if progress["step"] and not taken:
            fall_silent(services.store, id)
            taken.append(self.start(id))
        return beat(self, training, progress)

    monkeypatch.setattr(type(store), "beat", sleep_through)
    TrainingTask(services, lambda: False)(id)
    [other] = taken
    assert other is not None
    assert (of(services, id).state, of(services, id).alive_at) == (State.RUNNING, other.alive_at)


def test_a_training_becomes_a_version_and_leaves_nothing_behind(
    services: Services, data_set: str, pretend: Callable[[int], None]
) -> None:
    pretend(5)
    id = begun(services, data_set)
    TrainingTask(services, lambda: False)(id)
    ended = of(services, id)
    assert (ended.state, ended.error, ended.version_id) == (State.DONE, None, id)
    assert (ended.progress["step"], ended.progress["steps"]) == (5, 5)
    version = services.store.versions.get(id)
    assert version.title == "My squares"
    assert (version.card["data_set"]["name"], version.card["minutes"]) == ("Squares", 0.1)
    assert [*(services.settings.data_path / "trainings").iterdir()] == []
    assert [*services.store.blobs.keys("trainings/")] == []


def test_a_stopped_training_goes_on_from_its_last_step(
    services: Services, data_set: str, pretend: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(10**6)
    id = begun(services, data_set)
    beat = services.store.trainings.__class__.beat

    def stop_at_once(self: Any, training: Training, progress: dict[str, Any]) -> bool:
        if progress["step"]:
            self.stop(id)
        return beat(self, training, progress)

    with monkeypatch.context() as patched:
        patched.setattr(type(services.store.trainings), "beat", stop_at_once)
        TrainingTask(services, lambda: False)(id)
    steps = of(services, id).progress["step"]
    assert of(services, id).state == State.CANCELLED
    assert steps > 0
    pretend(steps + 2)
    assert services.store.trainings.resume(id)
    TrainingTask(services, lambda: False)(id)
    assert (of(services, id).state, of(services, id).progress["step"]) == (State.DONE, steps + 2)


def test_a_training_waits_again_when_its_worker_ends(
    services: Services, data_set: str, pretend: Callable[[int], None]
) -> None:
    pretend(10**6)
    id, ending = begun(services, data_set), threading.Event()
    log = services.settings.data_path / "trainings" / id / "out" / "log.jsonl"
    TrainingTask(services, lambda: ending.is_set() or log.is_file())(id)
    assert of(services, id).state == State.QUEUED
    assert services.store.trainings.pending() == [id]


def machines(store: Store, folder: Path) -> list[Services]:
    """Two machines that share a store and nothing else."""
    shared = [Settings(data_dir=str(folder / name), secret_key="a key for the tests") for name in ("one", "two")]
    return [Services(settings, store, jobs_on_fake_redis(settings)) for settings in shared]


def test_a_training_goes_on_on_another_machine_and_again_on_the_first(
    either_store: Store, tmp_path: Path, pretend: Callable[[int], None]
) -> None:
    one, two = machines(either_store, tmp_path)
    id = begun(one, squares(either_store, tmp_path))
    pretend(10**6)
    steps = [0]
    for services in (one, two):
        log = services.settings.data_path / "trainings" / id / "out" / "log.jsonl"
        TrainingTask(services, lambda log=log, last=steps[-1]: progress(log.parent)["step"] > last)(id)  # type: ignore[misc]
        assert of(one, id).state == State.QUEUED
        steps.append(of(one, id).progress["step"])
    assert steps == sorted(set(steps))
    either_store.data_sets.rename_class(of(one, id).data_set_id or "", "red square", "square")
    pretend(steps[-1] + 1)
    TrainingTask(one, lambda: False)(id)
    assert (of(one, id).state, of(one, id).progress["step"]) == (State.DONE, steps[-1] + 1)
    assert [*either_store.blobs.keys("trainings/")] == []
    # The machine that did not end it tidies up before its next one.
    TrainingTask(two, lambda: False)("a" * 22)
    assert [[*(each.settings.data_path / "trainings").iterdir()] for each in (one, two)] == [[], []]


def test_a_training_that_crashed_goes_on_from_the_state_in_the_store(
    services: Services, data_set: str, pretend: Callable[[int], None], tmp_path: Path
) -> None:
    id = begun(services, data_set)
    folder = TrainingFolder(services.store, of(services, id), tmp_path / "here")
    folder.prepare()
    folder.out.mkdir()
    folder.keep()
    assert services.store.trainings.kept(id, STATE) is None
    (folder.out / "last.pth").write_text("3")
    (folder.out / "trial").mkdir()
    folder.keep()
    (folder.out / "log.jsonl").write_text("after the state was kept")
    other = TrainingFolder(services.store, of(services, id), tmp_path / "there")
    other.prepare()
    assert [path.name for path in other.out.iterdir()] == ["last.pth"]
    for photo in services.store.data_sets.photos(data_set):
        services.store.data_sets.remove(data_set, photo.photo_sha256)
    with pytest.raises(CatalogueError, match="cannot go on"):
        TrainingFolder(services.store, of(services, id), tmp_path / "elsewhere").prepare()


def test_a_state_is_kept_whole_or_tried_again(
    services: Services, data_set: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = begun(services, data_set)
    folder = TrainingFolder(services.store, of(services, id), tmp_path / "here")
    folder.out.mkdir(parents=True)
    (folder.out / "last.pth").write_text("1")
    zipped = zipfile.ZipFile.write

    def written_meanwhile(self: zipfile.ZipFile, path: Path, name: str) -> None:
        zipped(self, path, name)
        path.write_text("2")
        os.utime(path, (10**9, 10**9))

    with monkeypatch.context() as patched:
        patched.setattr(zipfile.ZipFile, "write", written_meanwhile)
        folder.keep()
    assert services.store.trainings.kept(id, STATE) is None
    with monkeypatch.context() as patched:
        patched.setattr(type(services.store.blobs), "put", Mock(side_effect=StoreUnavailable("The disk is full.")))
        folder.keep()
    folder.keep()
    kept = services.store.trainings.kept(id, STATE)
    assert kept is not None
    assert zipfile.ZipFile(io.BytesIO(kept)).read("last.pth") == b"2"


def test_a_training_that_cannot_work_says_why(
    services: Services, data_set: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_command", lambda training, folder: [sys.executable, "-c", "exit('No base.')"])
    id = begun(services, data_set)
    TrainingTask(services, lambda: False)(id)
    assert (of(services, id).state, of(services, id).error) == (State.FAILED, "No base.")
    empty = begun(services, services.store.data_sets.create("Nothing").id)
    TrainingTask(services, lambda: False)(empty)
    assert of(services, empty).error == training_folder.TOO_FEW


def test_progress_of_a_folder_that_is_being_written_is_read(tmp_path: Path) -> None:
    assert (progress(tmp_path)["prepared"], progress(tmp_path)["step"]) == (0, 0)
    for text, share in (('{"share": 0.2', 0), ('{"share": 0.25}', 0.25)):
        (tmp_path / "prepared.json").write_text(text)
        assert progress(tmp_path)["prepared"] == share
    (tmp_path / "plan.json").write_text('{"steps": 10}')
    (tmp_path / "log.jsonl").write_text(
        '{"step": 1, "loss": 2.0, "seconds": 3}\n{"step": 1, "scores": {"box": {"AP": 12.5}}}\n{"step": 2, "lo'
    )
    known = progress(tmp_path)
    assert (known["step"], known["steps"], known["left"]) == (1, 10, 27)
    assert (known["loss"], known["ap"]) == ([[1, 2.0]], [[1, 12.5]])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_trainer_turns_a_data_set_into_a_version(
    services: Services, data_set: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At low priority it would wait for the end of the tests beside it.
    monkeypatch.setattr(training, "leave_cpus_to_others", lambda: None)
    id = services.store.trainings.create(data_set, "starter", 0.01, "My squares").id
    TrainingTask(services, lambda: False)(id)
    assert (of(services, id).state, of(services, id).error) == (State.DONE, None)
    card = services.store.versions.get(id).card
    assert card["base"] == "Starter Mask R-CNN"
    assert card["scores"]["photos"] + card["photos"] == 8
    assert set(card["scores"]["box"]["classes"]) <= set(COLOURS)
    assert {true for true, _, _ in card["confusion"]} <= {*COLOURS, None}
    watched = services.store.trainings.kept(id, PHOTOS)
    assert watched is not None
    assert {photo.sha256 for photo in load(watched)} <= {
        photo.photo_sha256 for photo in services.store.data_sets.photos(data_set, part="validation")
    }
