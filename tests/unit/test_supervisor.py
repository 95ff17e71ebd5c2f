"""The supervisor: starts workers, ends those that take too long, and tells Redis about them."""

import signal
import subprocess
from dataclasses import replace
from itertools import count

import pytest
import redis

from app.config.settings import Settings
from app.intake import read_photo
from app.queue import constants
from app.queue.jobs import Jobs
from app.queue.services import Services
from app.queue.status import WorkerStatus
from app.queue.submit import submit
from app.store.models import Run
from app.store.states import State
from app.vision.catalogue.models import Model
from app.vision.results import ModelCard
from app.worker.messages import AnalysisEnded, AnalysisStarted, ModelsLoaded
from app.worker.models import Models
from app.worker.supervisor import Supervisor
from app.worker.versions import Versions
from app.worker.worker_process import WorkerProcess
from tests.unit.photos import jpeg

CARD = ModelCard("labels", "odd", "Odd", "1", "0" * 64)
LOADED = ModelsLoaded((CARD,), {"faces": "Install the faces."})


class FakeProcess:
    """A process that ends when told, or at once with `exit`."""

    pids = count(1)

    def __init__(self, stubborn: bool = False) -> None:
        self.pid, self.status, self.stubborn = next(self.pids), None, stubborn

    def exit(self, status: int) -> None:
        self.status = status

    def poll(self) -> int | None:
        return self.status

    def wait(self, timeout: float | None = None) -> int:
        if self.status is None:
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return self.status

    def terminate(self) -> None:
        if not self.stubborn:
            self.exit(0)

    def kill(self) -> None:
        self.exit(-signal.SIGKILL)


class FakeMachine:
    """Starts fake processes and keeps the time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.started: list[WorkerProcess] = []
        self.stubborn = False

    def clock(self) -> float:
        return self.now

    def start_process(self) -> WorkerProcess:
        self.started.append(WorkerProcess(FakeProcess(self.stubborn), self.clock))
        return self.started[-1]


class FakeModels(Models):
    """Models that the test readies."""

    ready, better = False, False

    def improved(self) -> bool:
        improved, self.better = self.better, False
        return improved


class FakeVersions(Versions):
    """A default version that the test changes."""

    ready, other = True, False

    def changed(self) -> bool:
        changed, self.other = self.other, False
        return changed


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, workers=1, job_timeout=10)


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def supervisor(services: Services, machine: FakeMachine) -> Supervisor:
    return Supervisor(services, machine.start_process, clock=machine.clock)


@pytest.fixture
def run(services: Services) -> Run:
    """A run whose only analysis is in the hands of a worker."""
    services.jobs.announce([CARD], {})
    photo = read_photo(jpeg(32, 32), max_bytes=10**6, max_pixels=10**6)
    run = submit(services, photo, name="a.jpg", analyses=["labels"], owner="v:a")
    services.jobs.cancel(run.analyses[0].id)
    services.store.start_analysis(run.analyses[0].id)
    return run


@pytest.fixture
def worker(supervisor: Supervisor, machine: FakeMachine) -> WorkerProcess:
    """The supervisor's only worker, with its models loaded."""
    supervisor.tick()
    (worker,) = machine.started
    worker.receive(LOADED)
    return worker


def heartbeat_due(machine: FakeMachine) -> None:
    machine.now += constants.HEARTBEAT + 1


def test_the_offer_is_announced_once_the_models_are_loaded(
    supervisor: Supervisor, machine: FakeMachine, jobs: Jobs
) -> None:
    supervisor.tick()
    assert not jobs.is_announced()
    assert jobs.workers() == 0
    machine.started[0].receive(LOADED)
    supervisor.tick()
    assert jobs.cards() == {"labels": CARD}
    assert jobs.missing() == {"faces": "Install the faces."}
    assert jobs.workers() == 1


def test_no_worker_is_ready_before_its_models_are_announced(
    services: Services, machine: FakeMachine, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = replace(services, settings=replace(services.settings, workers=2))
    supervisor = Supervisor(two, machine.start_process, clock=machine.clock)
    heartbeat = Jobs.heartbeat

    def while_models_come(self: Jobs, worker: str, status: WorkerStatus) -> None:
        heartbeat(self, worker, status)
        machine.started[1].receive(LOADED)

    monkeypatch.setattr(Jobs, "heartbeat", while_models_come)
    supervisor.tick()
    assert (jobs.workers(), jobs.cards()) == (0, {})
    supervisor.tick()
    assert (jobs.workers(), jobs.cards()) == (1, {"labels": CARD})


def test_an_offer_that_redis_lost_is_announced_again(
    supervisor: Supervisor, worker: WorkerProcess, machine: FakeMachine, jobs: Jobs
) -> None:
    supervisor.tick()
    jobs.redis.flushall()
    heartbeat_due(machine)
    supervisor.tick()
    assert jobs.cards() == {"labels": CARD}
    assert jobs.missing() == {"faces": "Install the faces."}


def test_a_later_announcement_of_another_supervisor_is_left_alone(
    supervisor: Supervisor, worker: WorkerProcess, machine: FakeMachine, jobs: Jobs
) -> None:
    supervisor.tick()
    jobs.announce([], {"labels": "Install the labels."})
    heartbeat_due(machine)
    supervisor.tick()
    assert jobs.cards() == {}


def test_an_outage_of_redis_is_logged_once(
    supervisor: Supervisor,
    worker: WorkerProcess,
    jobs: Jobs,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def unreachable(*args: object) -> None:
        raise redis.ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "announce", unreachable)
        for _ in range(3):
            supervisor.tick()
    supervisor.tick()
    assert [record.message for record in caplog.records].count("not reported yet: gone") == 1
    assert jobs.is_announced()


def test_a_process_that_ends_is_replaced(
    supervisor: Supervisor, worker: WorkerProcess, machine: FakeMachine, jobs: Jobs
) -> None:
    supervisor.tick()
    worker.process.kill()
    supervisor.tick()
    assert len(machine.started) == 2
    machine.started[1].receive(LOADED)
    supervisor.tick()
    assert {machine.started[1].name} <= set(jobs.live_workers())


def test_a_process_that_keeps_ending_while_it_loads_is_started_later_and_later(
    supervisor: Supervisor, machine: FakeMachine
) -> None:
    supervisor.tick()
    waits = []
    for number in range(1, 7):
        machine.started[-1].process.kill()
        died = machine.now
        supervisor.tick()
        while len(machine.started) == number:
            machine.now += 1
            supervisor.tick()
        waits.append(machine.now - died)
    assert waits == [2, 4, 8, 16, 30, 30]


def test_the_analysis_of_a_process_that_died_is_queued_again(
    supervisor: Supervisor, worker: WorkerProcess, services: Services, run: Run
) -> None:
    worker.receive(AnalysisStarted(run.analyses[0].id))
    worker.process.kill()
    supervisor.tick()
    assert services.jobs.waiting() == [run.analyses[0].id]
    assert services.store.get_run(run.id).state == State.QUEUED


def test_a_process_whose_analysis_takes_too_long_is_killed_and_the_run_fails(
    supervisor: Supervisor, worker: WorkerProcess, machine: FakeMachine, services: Services, run: Run
) -> None:
    worker.receive(AnalysisStarted(run.analyses[0].id))
    machine.now += 9
    supervisor.tick()
    assert worker.process.poll() is None
    machine.now += 2
    supervisor.tick()
    assert worker.process.poll() == -signal.SIGKILL
    failed = services.store.get_run(run.id)
    assert failed.state == State.FAILED
    assert "took longer than 10 seconds" in str(failed.error)
    assert services.jobs.waiting() == []


def test_an_idle_process_is_never_too_slow(
    supervisor: Supervisor, worker: WorkerProcess, machine: FakeMachine, run: Run
) -> None:
    worker.receive(AnalysisStarted(run.analyses[0].id))
    worker.receive(AnalysisEnded())
    machine.now += 1000
    supervisor.tick()
    assert worker.process.poll() is None


def test_at_the_end_a_process_that_does_not_finish_is_killed_and_its_analysis_is_queued_again(
    supervisor: Supervisor, machine: FakeMachine, services: Services, run: Run
) -> None:
    machine.stubborn = True
    supervisor.tick()
    (worker,) = machine.started
    worker.receive(LOADED)
    worker.receive(AnalysisStarted(run.analyses[0].id))
    supervisor.tick()
    supervisor.end_processes()
    assert worker.process.poll() == -signal.SIGKILL
    assert services.jobs.live_workers() == {}
    assert services.jobs.waiting() == [run.analyses[0].id]


def test_the_analysis_of_a_killed_supervisor_is_requeued_within_15_seconds() -> None:
    noticed = max(constants.HEARTBEAT_TTL, constants.MAINTENANCE_TTL, constants.LOST_AFTER)
    assert noticed + 2 * constants.MAINTENANCE_INTERVAL < 15


@pytest.fixture
def models(settings: Settings) -> FakeModels:
    return FakeModels(settings)


@pytest.fixture
def waiting_supervisor(services: Services, machine: FakeMachine, models: FakeModels) -> Supervisor:
    """A supervisor whose models are not ready yet."""
    return Supervisor(services, machine.start_process, models, machine.clock)


def test_no_worker_starts_before_there_is_a_model_to_serve(
    waiting_supervisor: Supervisor, machine: FakeMachine, models: FakeModels
) -> None:
    waiting_supervisor.tick()
    assert machine.started == []
    models.ready = True
    waiting_supervisor.tick()
    assert len(machine.started) == 1


def test_while_a_better_model_is_fetched_the_note_says_so(
    waiting_supervisor: Supervisor, machine: FakeMachine, models: FakeModels, jobs: Jobs
) -> None:
    models.ready = True
    models.fetching = Model("full", "Full", "labels", "torchvision", "MIT")
    waiting_supervisor.tick()
    machine.started[0].receive(LOADED)
    waiting_supervisor.tick()
    assert jobs.cards()["labels"].note == "Odd answers while Full is being fetched."
    models.fetching = None  # it could not be fetched
    waiting_supervisor.tick()
    assert jobs.cards() == {"labels": CARD}
    assert len(machine.started) == 1


def test_a_better_model_takes_over_once_the_analysis_at_hand_is_finished(
    waiting_supervisor: Supervisor, machine: FakeMachine, models: FakeModels, services: Services, run: Run
) -> None:
    models.ready, machine.stubborn = True, True
    waiting_supervisor.tick()
    old = machine.started[0]
    old.receive(LOADED)
    old.receive(AnalysisStarted(run.analyses[0].id))
    models.better = True
    waiting_supervisor.tick()
    waiting_supervisor.tick()
    assert machine.started == [old]
    old.receive(AnalysisEnded())
    old.process.exit(0)
    waiting_supervisor.tick()
    _, new = machine.started
    better = ModelsLoaded((replace(CARD, model="better", title="Better"),), {})
    new.receive(better)
    waiting_supervisor.tick()
    assert services.jobs.cards()["labels"].title == "Better"
    assert services.jobs.waiting() == []  # nothing was queued again


# Versions


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_of_another_version_are_replaced_one_at_a_time_by_ones_that_are_ready(
    services: Services, machine: FakeMachine, workers: int
) -> None:
    services = replace(services, settings=replace(services.settings, workers=workers))
    versions = FakeVersions(services.settings, services.store)
    supervisor = Supervisor(services, machine.start_process, clock=machine.clock, versions=versions)
    supervisor.tick()
    old = list(machine.started)
    for process in old:
        process.receive(LOADED)
    versions.other = True
    for number in range(workers):
        supervisor.tick()
        supervisor.tick()
        assert [process.process.poll() for process in old] == [0] * number + [None] * (workers - number)
        assert len(machine.started) == workers + number + 1
        machine.started[-1].receive(LOADED)
    supervisor.tick()
    supervisor.tick()
    assert all(process.process.poll() == 0 for process in old)
    assert [process.process.poll() for process in machine.started[workers:]] == [None] * workers


def test_a_version_that_does_not_load_leaves_the_old_one_at_work(services: Services, machine: FakeMachine) -> None:
    versions = FakeVersions(services.settings, services.store)
    supervisor = Supervisor(services, machine.start_process, clock=machine.clock, versions=versions)
    supervisor.tick()
    [old] = machine.started
    old.receive(LOADED)
    versions.other = True
    supervisor.tick()
    machine.started[-1].process.exit(1)  # type: ignore[attr-defined]
    for _ in range(3):
        machine.now += 60
        supervisor.tick()
    assert old.process.poll() is None
    assert services.jobs.workers() == 1


def test_no_process_starts_before_it_is_known_which_version_to_serve(services: Services, machine: FakeMachine) -> None:
    versions = FakeVersions(services.settings, services.store)
    versions.ready = False  # type: ignore[misc]
    supervisor = Supervisor(services, machine.start_process, clock=machine.clock, versions=versions)
    supervisor.tick()
    assert machine.started == []
