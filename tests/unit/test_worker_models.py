"""The models of a worker: what is here is served at once, what is missing is fetched meanwhile."""

import logging
import signal
import sys
import threading
from pathlib import Path

import pytest

from app.config.settings import Settings
from app.vision.catalogue.preference import preferred
from app.vision.results import ModelCard
from app.worker import models
from app.worker.models import FETCH, MAKE_ENGINES, Models

PATIENCE = 20.0
FULL, SECOND = preferred(Settings(device="cpu"))
STARTER = ModelCard("objects", "starter", "Starter", "1", "0" * 64, note="A note of its own.")
FACES = ModelCard("faces", "mtcnn", "MTCNN", "1", "0" * 64)


class Commands:
    """Stands in for `run_command`: notes each command, and holds it until the test lets it end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.begun: list[str] = []
        self.installed: set[str] = set()
        self._began, self._may_end = threading.Semaphore(0), threading.Semaphore(0)
        monkeypatch.setattr(models, "run_command", self._run)
        monkeypatch.setattr(models, "installed", lambda model, folder: model.name in self.installed)
        monkeypatch.setattr(models, "preferred", lambda settings: [FULL, SECOND])

    def _run(self, command: list[str], stop: threading.Event) -> int:
        self.begun.append(" ".join(command[2:]))
        self._began.release()
        assert self._may_end.acquire(timeout=PATIENCE)
        return 0

    def wait_for(self, module: str) -> None:
        assert self._began.acquire(timeout=PATIENCE)
        assert self.begun[-1] == module

    def end(self) -> None:
        self._may_end.release()


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(monkeypatch)


def made(folder: Path, **settings: str) -> Models:
    return Models(Settings(checkpoints_dir=str(folder), **settings))  # type: ignore[arg-type]


def join(readying: Models) -> None:
    readying.join(PATIENCE)
    assert not readying.is_alive()


def test_the_starter_answers_while_the_full_model_is_fetched_and_says_so(tmp_path: Path, commands: Commands) -> None:
    readying = made(tmp_path)
    readying.start()
    commands.wait_for(MAKE_ENGINES)
    assert not readying.ready
    commands.end()
    commands.wait_for(f"{FETCH} {FULL.name}")
    assert readying.ready
    said = readying.annotate([STARTER, FACES])
    assert said[0].note == f"Starter answers while {FULL.title} is being fetched."
    assert said[1] == FACES
    commands.installed.add(FULL.name)
    commands.end()
    commands.wait_for(MAKE_ENGINES)
    assert not readying.improved()
    commands.end()
    join(readying)
    assert [readying.improved(), readying.improved()] == [True, False]
    assert readying.annotate([STARTER]) == [STARTER]


def test_the_next_best_model_is_taken_up_where_the_best_does_not_come(tmp_path: Path, commands: Commands) -> None:
    readying = made(tmp_path)
    readying.start()
    for command in (MAKE_ENGINES, f"{FETCH} {FULL.name}"):
        commands.wait_for(command)
        commands.end()
    commands.wait_for(f"{FETCH} {SECOND.name}")
    assert readying.annotate([STARTER])[0].note == f"Starter answers while {SECOND.title} is being fetched."
    commands.installed.add(SECOND.name)
    commands.end()
    commands.wait_for(MAKE_ENGINES)
    commands.end()
    join(readying)
    assert readying.improved()


def test_where_the_next_best_is_installed_only_the_best_is_fetched(tmp_path: Path, commands: Commands) -> None:
    commands.installed.add(SECOND.name)
    readying = made(tmp_path)
    for _ in range(2):
        commands.end()
    readying.start()
    join(readying)
    assert commands.begun == [MAKE_ENGINES, f"{FETCH} {FULL.name}"]
    assert not readying.improved()


def test_where_no_model_comes_nothing_changes(tmp_path: Path, commands: Commands) -> None:
    readying = made(tmp_path)
    for _ in range(3):
        commands.end()
    readying.start()
    join(readying)
    assert commands.begun == [MAKE_ENGINES, f"{FETCH} {FULL.name}", f"{FETCH} {SECOND.name}"]
    assert not readying.improved()
    assert readying.annotate([STARTER]) == [STARTER]


def test_nothing_is_fetched_where_the_model_is_installed(tmp_path: Path, commands: Commands) -> None:
    commands.installed.add(FULL.name)
    commands.end()
    readying = made(tmp_path)
    readying.start()
    join(readying)
    assert commands.begun == [MAKE_ENGINES]
    assert readying.ready


def test_a_model_that_was_asked_for_by_name_is_fetched_before_anything_answers(
    tmp_path: Path, commands: Commands
) -> None:
    readying = made(tmp_path, model=FULL.name)
    readying.start()
    commands.wait_for(FETCH)
    assert not readying.ready
    commands.end()
    commands.wait_for(MAKE_ENGINES)
    commands.end()
    join(readying)
    assert readying.ready
    assert not readying.improved()


def test_readying_fails_without_a_word_too_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(models, "preferred", lambda settings: [])
    monkeypatch.setattr(models, "run_command", lambda command, stop: -signal.SIGKILL)
    readying = made(tmp_path)
    with caplog.at_level(logging.WARNING):
        readying.start()
        join(readying)
    assert readying.ready
    assert caplog.messages == ["`python -m app.vision.engine` was ended by SIGKILL, perhaps for lack of memory"]


def test_workers_that_share_a_folder_ready_it_one_after_another(tmp_path: Path, commands: Commands) -> None:
    commands.installed.add(FULL.name)
    first, second = made(tmp_path), made(tmp_path)
    first.start()
    commands.wait_for(MAKE_ENGINES)
    second.start()
    second.join(5 * models.TICK)
    assert len(commands.begun) == 1
    commands.end()
    commands.wait_for(MAKE_ENGINES)
    commands.end()
    join(first)
    join(second)
    assert len(commands.begun) == 2


def test_a_running_command_ends_when_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    stop.set()
    assert models.run_command([sys.executable, "-c", "import time; time.sleep(1000)"], stop) is None
    monkeypatch.setattr(models, "preferred", lambda settings: [])
    readying = made(tmp_path)
    started = threading.Event()

    def run(command: list[str], stop: threading.Event) -> None:
        started.set()
        assert stop.wait(PATIENCE)

    monkeypatch.setattr(models, "run_command", run)
    readying.start()
    assert started.wait(PATIENCE)
    readying.stop()
    assert not readying.is_alive()


def test_bundled_models_are_known_in_another_folder_too(tmp_path: Path) -> None:
    bundled, folder = tmp_path / "bundled", tmp_path / "other"
    (bundled / "engines" / "starter").mkdir(parents=True)
    (bundled / "starter.pth").write_text("weights")
    for _ in range(2):
        models.link_bundled(folder, bundled)
    assert (folder / "starter.pth").read_text() == "weights"
    assert (folder / "engines" / "starter").is_dir()
    models.link_bundled(bundled, bundled)
    assert not (bundled / "starter.pth").is_symlink()


def test_a_model_put_there_by_hand_is_left_alone(tmp_path: Path) -> None:
    bundled, folder = tmp_path / "bundled", tmp_path / "other"
    for place, text in ((bundled, "ours"), (folder, "theirs")):
        place.mkdir()
        (place / "starter.pth").write_text(text)
    models.link_bundled(folder, bundled)
    assert (folder / "starter.pth").read_text() == "theirs"
