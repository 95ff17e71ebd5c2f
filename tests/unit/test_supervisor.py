"""What the supervisor tells Redis about its workers."""

import subprocess
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest
import redis

from app.config.settings import Settings
from app.queue import names
from app.queue.jobs import Jobs
from app.vision.results import ModelCard
from app.worker.supervisor import Child, Supervisor

CARD = ModelCard("labels", "odd", "Odd", "1", "0" * 64)
OFFER = {"cards": [CARD.to_dict()], "missing": {"faces": "Install the faces."}}


@pytest.fixture
def jobs(settings: Settings) -> Jobs:
    server = fakeredis.FakeServer()
    return Jobs(settings, fakeredis.FakeRedis(server=server), fakeredis.FakeRedis(server=server))


@pytest.fixture
def supervisor(settings: Settings, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """One whose every report is due."""
    monkeypatch.setattr(names, "HEARTBEAT", 0.0)
    services: Any = SimpleNamespace(settings=settings, store=None, jobs=jobs)
    return Supervisor(services, "nothing:at_all")


def child(**state: Any) -> Child:
    process: Any = subprocess.Popen
    return Child(process, **state)


def test_what_is_served_is_told_once_the_models_are_loaded(supervisor: Supervisor, jobs: Jobs) -> None:
    loading = child()
    supervisor._children = [loading]
    supervisor._report()
    assert not jobs.announced()
    loading.offer, loading.ready = OFFER, True
    supervisor._report()
    assert jobs.cards() == {"labels": CARD}
    assert jobs.missing() == {"faces": "Install the faces."}
    assert jobs.workers() == 1


def test_what_is_served_is_told_again_where_redis_has_lost_it(supervisor: Supervisor, jobs: Jobs) -> None:
    supervisor._children = [child(offer=OFFER, ready=True)]
    supervisor._report()
    jobs.redis.flushall()
    supervisor._report()
    assert jobs.cards() == {"labels": CARD}
    assert jobs.missing() == {"faces": "Install the faces."}


def test_what_another_supervisor_told_later_stands(supervisor: Supervisor, jobs: Jobs) -> None:
    supervisor._children = [child(offer=OFFER, ready=True)]
    supervisor._report()
    jobs.announce([], {"labels": "Install the labels."})
    supervisor._report()
    assert jobs.cards() == {}


def test_a_redis_that_stays_away_is_told_of_once(
    supervisor: Supervisor, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor._children = [child(offer=OFFER, ready=True)]
    monkeypatch.setattr(Supervisor, "_watch", lambda self, child: None)
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "announce", away)
        for _ in range(3):
            supervisor._tick()
    supervisor._tick()
    assert [record.message for record in caplog.records].count("not reported yet: gone") == 1
    assert jobs.announced()


def away(*args: object) -> None:
    raise redis.ConnectionError("gone")


def test_a_killed_workers_analysis_is_taken_back_within_15_seconds() -> None:
    noticed = max(names.HEARTBEAT_TTL, names.MAINTENANCE_TTL, names.LOST_AFTER)
    assert noticed + 2 * names.MAINTAIN < 15
