"""Fixtures of the unit tests: the services and the web application on a fake Redis and an empty SQLite database."""

from collections.abc import Iterator

import fakeredis
import pytest

from app.config.settings import Settings
from app.queue.jobs import Jobs
from app.queue.services import Services
from app.store import Store
from app.store.models import Base
from tests.unit.api_service import Service, running
from tests.unit.visitor import Visitor


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


@pytest.fixture
def jobs(settings: Settings) -> Jobs:
    return jobs_on_fake_redis(settings)


@pytest.fixture
def services(settings: Settings, jobs: Jobs) -> Iterator[Services]:
    store = empty_store(settings)
    yield Services(settings, store, jobs)
    store.close()


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """The web application. Modules that need other settings define their own."""
    yield from running(settings)


@pytest.fixture
def visitor(service: Service) -> Visitor:
    """A visitor of the web application's pages."""
    return Visitor(service)
