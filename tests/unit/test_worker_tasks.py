"""An analysis in the worker, also when the store fails."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from app.config.settings import Settings
from app.queue import constants
from app.store import BlobMissing, StoreUnavailable
from app.store.models import Run
from app.store.states import State
from app.vision.analyses.analysis import Analyzer
from app.vision.results import Analysed
from app.worker.recovery import Reconciler
from app.worker.tasks import NOT_SERVED, STORAGE, AnalysisTask
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service


class Ready(Analyzer):
    """Answers what it was given."""

    def __init__(self, answer: Analysed):
        self.card, self._answer = answer.card, answer

    def load(self, device: str) -> None: ...

    def analyse(self, rgb: np.ndarray) -> Analysed:
        return self._answer


@pytest.fixture
def service(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """A service that takes an analysis without a worker for lost at once."""
    for made in api_service.running(settings):
        monkeypatch.setattr(constants, "LOST_AFTER", -1)
        yield made


def refuse(*_: object) -> None:
    raise StoreUnavailable("The S3 bucket photos cannot be reached.")


def gone(*_: object) -> None:
    raise BlobMissing


def attempt(service: Service, run: Run) -> Run:
    """One attempt at the run's analysis, as by RQ: errors are logged, and the job is over."""
    (id,) = service.services.jobs.waiting()
    service.services.jobs.cancel(id)
    task = AnalysisTask(service.services, {"objects": Ready(service.found["objects"])}, lambda message: None)
    with contextlib.suppress(StoreUnavailable):
        task(id)
    return service.services.store.get_run(run.id)


def requeued(service: Service) -> list[str]:
    """What the maintenance requeues, in its two searches."""
    reconciler = Reconciler(service.services.store, service.services.jobs)
    reconciler.requeue_lost()
    return reconciler.requeue_lost()


@pytest.mark.parametrize("method", ["get", "put"])
def test_after_one_failure_of_the_storage_the_analysis_is_tried_again(
    service: Service, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    run = service.add(PHOTO)
    with monkeypatch.context() as patch:
        patch.setattr(service.services.store.blobs, method, refuse)
        assert attempt(service, run).state == State.RUNNING
    assert requeued(service) == [run.analyses[0].id]
    run = attempt(service, run)
    assert (run.state, run.error, run.analyses[0].attempts) == (State.DONE, None, 2)


def test_a_storage_that_fails_at_every_attempt_is_named_as_the_cause_of_the_failed_run(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = service.add(PHOTO)
    monkeypatch.setattr(service.services.store.blobs, "get", refuse)
    for _ in range(constants.MAX_ATTEMPTS - 1):
        assert attempt(service, run).state == State.RUNNING
        requeued(service)
    run = attempt(service, run)
    assert (run.state, run.error) == (State.FAILED, STORAGE)
    assert requeued(service) == []


def test_an_analysis_that_could_not_start_without_the_database_is_requeued(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = service.add(PHOTO)
    with monkeypatch.context() as patch:
        patch.setattr(service.services.store, "start_analysis", refuse)
        assert attempt(service, run).state == State.QUEUED
    assert requeued(service) == [run.analyses[0].id]
    assert attempt(service, run).state == State.DONE


def announce_another(service: Service) -> None:
    """Announce the same analysis as a worker of another precision would."""
    card = replace(service.found["objects"].card, version="in another precision")
    service.services.jobs.announce([card], {})


def test_a_worker_uses_its_own_model_for_an_analysis_meant_for_another_and_records_that(service: Service) -> None:
    announce_another(service)
    run = service.add(PHOTO)
    asked = run.analyses[0].identity
    run = attempt(service, run)
    assert (run.state, run.error) == (State.DONE, None)
    assert run.analyses[0].identity == service.found["objects"].card.identity != asked


def test_a_result_that_the_own_model_has_already_is_not_computed_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = attempt(service, service.add(PHOTO))
    announce_another(service)
    run = service.add(PHOTO)
    monkeypatch.setattr(Ready, "analyse", refuse)
    run = attempt(service, run)
    assert (run.state, run.analyses[0].id) == (State.DONE, known.analyses[0].id)
    assert service.services.store.pending_analyses() == []
    (name, *_) = service.services.store.history_classes("v:another")
    found = service.services.store.history("v:another", class_name=name).runs
    assert [each.id for each in found] == [run.id, known.id]


def test_an_analysis_that_the_own_model_failed_at_is_tried_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(service.services.store.blobs, "get", gone)
        assert attempt(service, service.add(PHOTO)).state == State.FAILED
    announce_another(service)
    run = attempt(service, service.add(PHOTO))
    assert run.state == State.QUEUED
    assert attempt(service, run).state == State.DONE


def test_an_analysis_without_a_model_here_fails_with_a_sentence(service: Service) -> None:
    run = attempt(service, service.add(PHOTO, "labels"))
    assert (run.state, run.error) == (State.FAILED, NOT_SERVED)
