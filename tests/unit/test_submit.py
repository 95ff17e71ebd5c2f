"""The door into the queue, when the queue is full or away."""

from collections.abc import Iterator

import pytest
import redis

from app.config.settings import Settings
from app.errors import QueueFull, ServiceUnavailable
from app.queue.jobs import Jobs
from app.store.states import State
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service
from tests.unit.photos import jpeg

NEW, OTHER = jpeg(91, 70), jpeg(92, 70)


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    """A service that knows a photo's objects, and whose queue is full."""
    for made in api_service.running(settings, queue_max=1):
        made.know(PHOTO)
        made.add(NEW)
        yield made


def test_a_known_photo_needs_no_place_in_the_queue(service: Service) -> None:
    assert service.post(PHOTO).status_code == 200
    assert service.add(PHOTO).state == State.DONE


def test_a_photo_that_waits_already_needs_no_second_place(service: Service) -> None:
    run = service.add(NEW)
    assert (run.state, run.deduplicated) == (State.QUEUED, True)
    assert len(service.services.jobs.waiting()) == 1


def test_a_new_photo_or_a_new_question_about_a_known_one_is_refused_and_not_stored(service: Service) -> None:
    for data, analyses in ((OTHER, ["objects"]), (PHOTO, ["objects", "faces"])):
        with pytest.raises(QueueFull):
            service.add(data, *analyses, owner="v:refused")
    assert list(service.services.store.history("v:refused").runs) == []


def test_an_analysis_that_failed_needs_a_place_to_be_tried_again(service: Service) -> None:
    store, jobs = service.services.store, service.services.jobs
    (id,) = jobs.waiting()
    jobs.cancel(id)
    store.fail_analysis(id, "It broke.")
    assert service.add(NEW).state == State.QUEUED
    jobs.cancel(id)
    store.fail_analysis(id, "It broke.")
    service.add(OTHER)
    with pytest.raises(QueueFull):
        service.add(NEW)


def test_a_photo_is_taken_whole_or_not_at_all_where_redis_goes_away(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise redis.ConnectionError("gone")

    (waiting,) = service.services.jobs.waiting()
    service.services.jobs.cancel(waiting)
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "enqueue", away)
        assert service.add(OTHER, owner="v:late").state == State.QUEUED
    monkeypatch.setattr(Jobs, "status", away)
    with pytest.raises(ServiceUnavailable):
        service.add(jpeg(93, 70), owner="v:late")
    assert len(service.services.store.history("v:late").runs) == 1
