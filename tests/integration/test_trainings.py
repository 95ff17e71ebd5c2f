"""Trainings: their states in the store, what their worker does, and one from a data set to a version."""

import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.config.settings import Settings
from app.datasets.check import Limits, check
from app.datasets.read import read_folder
from app.errors import NotFound
from app.queue.services import Services
from app.store import Store
from app.store.models import Training, utcnow
from app.store.states import State
from app.worker import training
from app.worker.training import TrainingTask, progress
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
log = out / "log.jsonl"
step = len(log.read_text().splitlines()) if log.is_file() else 0
while step < steps:
    step += 1
    with log.open("a") as file:
        file.write(json.dumps({"step": step, "loss": 1 / step, "seconds": 0.01}) + chr(10))
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
    found = read_folder(write_squares(tmp_path / "squares"))
    photos, problems = check(found, Limits(10**7, 10**7))
    assert problems == []
    sets = services.store.data_sets
    id = sets.create("Squares", share=0.3).id
    sets.add(id, photos)
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
        def command(training: Training, folder: Path) -> list[str]:
            assert (folder / "data" / "train" / "annotations" / "instances_train.json").is_file()
            return [sys.executable, "-c", TRAINER, str(folder / "out"), str(steps), str(trained)]

        monkeypatch.setattr(training, "_command", command)
        monkeypatch.setattr(training, "TICK", 0.02)

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
    assert not store.beat(id, {"step": 3})
    store.stop(id)
    assert store.beat(id, {"step": 4})
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
    store.start(id)
    with either_store.database.writing() as session:
        lost = session.get(Training, id)
        assert lost is not None
        lost.alive_at = utcnow() - timedelta(minutes=1)
    assert store.pending() == [id]
    assert store.start(id) is not None
    assert store.pending() == []


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


def test_a_stopped_training_goes_on_from_its_last_step(
    services: Services, data_set: str, pretend: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(10**6)
    id = begun(services, data_set)
    beat = services.store.trainings.__class__.beat

    def stop_at_once(self: Any, id: str, progress: dict[str, Any]) -> bool:
        if progress["step"]:
            self.stop(id)
        return beat(self, id, progress)

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


def test_a_training_that_cannot_work_says_why(
    services: Services, data_set: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_command", lambda training, folder: [sys.executable, "-c", "exit('No base.')"])
    id = begun(services, data_set)
    TrainingTask(services, lambda: False)(id)
    assert (of(services, id).state, of(services, id).error) == (State.FAILED, "No base.")
    empty = begun(services, services.store.data_sets.create("Nothing").id)
    TrainingTask(services, lambda: False)(empty)
    assert of(services, empty).error == training.TOO_FEW


def test_progress_of_a_folder_that_is_being_written_is_read(tmp_path: Path) -> None:
    assert progress(tmp_path)["step"] == 0
    (tmp_path / "plan.json").write_text('{"steps": 10}')
    (tmp_path / "log.jsonl").write_text(
        '{"step": 1, "loss": 2.0, "seconds": 3}\n{"step": 1, "scores": {"box": {"AP": 12.5}}}\n{"step": 2, "lo'
    )
    known = progress(tmp_path)
    assert (known["step"], known["steps"], known["left"]) == (1, 10, 27)
    assert (known["loss"], known["ap"]) == ([[1, 2.0]], [[1, 12.5]])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_trainer_turns_a_data_set_into_a_version(services: Services, data_set: str) -> None:
    id = begun(services, data_set)
    TrainingTask(services, lambda: False)(id)
    assert (of(services, id).state, of(services, id).error) == (State.DONE, None)
    card = services.store.versions.get(id).card
    assert card["base"] == "Starter Mask R-CNN"
    assert card["scores"]["photos"] + card["photos"] == 8
    assert set(card["scores"]["box"]["classes"]) <= set(COLOURS)
