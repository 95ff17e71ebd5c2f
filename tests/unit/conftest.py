"""Fixtures of the unit tests: the services and the web application on a fake Redis and an empty SQLite database."""

from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from app.queue.jobs import Jobs
from app.queue.services import Services
from tests.unit.api_service import Service, empty_store, jobs_on_fake_redis, running
from tests.unit.visitor import Visitor


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
