"""The web application on a fake Redis, with results written straight into the store, for tests of the APIs."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import fakeredis
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.config.settings import Settings
from app.intake import read_photo
from app.queue.jobs import Jobs
from app.queue.services import Services
from app.queue.submit import submit
from app.store import Store
from app.store.models import Base, Run
from app.vision.results import Analysed
from tests.unit.photos import jpeg
from tests.unit.results import everything

SIZE = (240, 320)
PHOTO = jpeg(SIZE[1], SIZE[0])


def json_of(response: TestResponse) -> Any:
    """The JSON of a response."""
    assert response.is_json, response.data
    return response.json


def jobs_on_fake_redis(settings: Settings) -> Jobs:
    """The queue on a Redis server of its own, inside this process."""
    server = fakeredis.FakeServer()
    return Jobs(settings, fakeredis.FakeRedis(server=server), fakeredis.FakeRedis(server=server))


def empty_store(settings: Settings) -> Store:
    """A store whose tables are made directly, which is many times faster than the migrations."""
    store = Store.from_settings(settings)
    settings.data_path.mkdir(parents=True, exist_ok=True)
    Base.metadata.create_all(store.database.engine)
    return store


@pytest.fixture(scope="module")
def module_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Service"]:
    """One service for all tests of a module, which names it `service = module_service`."""
    yield from running(Settings(data_dir=str(tmp_path_factory.mktemp("data")), secret_key="tests"))


def running(settings: Settings, **changes: Any) -> Iterator["Service"]:
    """A service for as long as a fixture lasts."""
    service = Service(settings, **changes)
    yield service
    service.close()


class Service:
    """An application with a worker of our own hand: `answer` ends runs, `answering` does so in the background."""

    def __init__(self, settings: Settings, *, own_redis: bool = True, **changes: Any):
        self.settings = replace(settings, **({"rate_limit": "", "shared_results": True} | changes))
        jobs = jobs_on_fake_redis(self.settings) if own_redis else Jobs.from_settings(self.settings)
        self.redis = jobs.redis
        self.services = Services(self.settings, empty_store(self.settings), jobs)
        self.found: dict[str, Analysed] = everything(SIZE)
        jobs.announce([found.card for found in self.found.values()], {})
        self.app: Flask = create_app(self.services)
        self.app.testing = True
        self.app.config["PROPAGATE_EXCEPTIONS"] = False
        self.client = self.app.test_client()

    def close(self) -> None:
        self.services.store.close()

    def answer(self, found: Mapping[str, Analysed] | None = None) -> None:
        """Do the work of every analysis in the queue."""
        jobs, store = self.services.jobs, self.services.store
        for id in jobs.waiting():
            jobs.cancel(id)
            analysis = store.start_analysis(id)
            if analysis is not None:
                jobs.publish(store.finish_analysis(id, (found or self.found)[analysis.analyzer]))

    def fail(self, run_id: str, analyzer: str, sentence: str) -> None:
        """Let one analysis of a run in the queue fail."""
        jobs, store = self.services.jobs, self.services.store
        for analysis in store.get_run(run_id).analyses:
            if analysis.analyzer == analyzer:
                jobs.cancel(analysis.id)
                jobs.publish(store.fail_analysis(analysis.id, sentence))

    def know(self, data: bytes, *analyses: str, owner: str = "v:another") -> Run:
        """A finished run of somebody else, so that the same photo is answered at once from now on."""
        run = self.add(data, *analyses, owner=owner)
        self.answer()
        return self.services.store.get_run(run.id)

    def add(self, data: bytes, *analyses: str, owner: str = "v:another", **options: Any) -> Run:
        """A run in the queue."""
        photo = read_photo(data, max_bytes=10**7, max_pixels=10**7)
        wanted = analyses or ("objects",)
        return submit(self.services, photo, name="a.jpg", analyses=wanted, owner=owner, options=options)

    def post(self, data: bytes, query: str = "", **headers: str) -> TestResponse:
        """Send a photo as the raw body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/api/v1/runs{query}", data=data, content_type="image/jpeg", headers=named)

    @contextmanager
    def answering(self, found: Mapping[str, Analysed] | None = None) -> Iterator[None]:
        """A worker in the background, woken by every new analysis."""
        stop = threading.Event()
        queued = threading.Semaphore(0)
        enqueue = self.services.jobs.enqueue

        def enqueue_and_wake(*ids: str) -> None:
            enqueue(*ids)
            queued.release(len(ids))

        def work() -> None:
            while not stop.is_set():
                queued.acquire()
                self.answer(found)

        self.services.jobs.enqueue = enqueue_and_wake  # type: ignore[method-assign]
        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            stop.set()
            queued.release()
            worker.join()
            self.services.jobs.enqueue = enqueue  # type: ignore[method-assign]
