"""An analysis in the worker, where the store does not work."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from app.config.settings import Settings
from app.queue import names
from app.store import BlobMissing, StoreUnavailable
from app.store.models import DONE, FAILED, QUEUED, RUNNING, Run
from app.vision.analyses.analysis import Analyzer
from app.vision.results import Analysed
from app.worker.recovery import Reconciler
from app.worker.tasks import NOT_SERVED, STORAGE, Context, analyse
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
    """A service whose worker is this process."""
    for made in api_service.running(settings):
        context = Context(made.services, {"objects": Ready(made.found["objects"])}, lambda job: None)
        monkeypatch.setattr("app.worker.tasks._context", context)
        monkeypatch.setattr(names, "LOST_AFTER", -1)
        yield made


def refuse(*_: object) -> None:
    raise StoreUnavailable("The S3 bucket photos cannot be reached.")


def gone(*_: object) -> None:
    raise BlobMissing


def attempt(service: Service, run: Run) -> Run:
    """One attempt at the run's analysis, as RQ makes it: what it raises is logged, and the job is over."""
    (id,) = service.services.jobs.waiting()
    service.services.jobs.cancel(id)
    with contextlib.suppress(StoreUnavailable):
        analyse(id)
    return service.services.store.get_run(run.id)


def taken_back(service: Service) -> list[str]:
    """What the maintenance finds lost, in its two looks."""
    reconciler = Reconciler(service.services.store, service.services.jobs)
    reconciler.look()
    return reconciler.look()


@pytest.mark.parametrize("method", ["get", "put"])
def test_storage_that_fails_once_costs_an_attempt_and_not_the_result(
    service: Service, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    run = service.add(PHOTO)
    with monkeypatch.context() as patch:
        patch.setattr(service.services.store.blobs, method, refuse)
        assert attempt(service, run).state == RUNNING
    assert taken_back(service) == [run.analyses[0].id]
    run = attempt(service, run)
    assert (run.state, run.error, run.analyses[0].attempts) == (DONE, None, 2)


def test_storage_that_fails_at_every_attempt_fails_the_run_and_is_named_as_the_cause(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = service.add(PHOTO)
    monkeypatch.setattr(service.services.store.blobs, "get", refuse)
    for _ in range(names.MAX_ATTEMPTS - 1):
        assert attempt(service, run).state == RUNNING
        taken_back(service)
    run = attempt(service, run)
    assert (run.state, run.error) == (FAILED, STORAGE)
    assert taken_back(service) == []


def test_a_database_that_is_away_at_the_start_leaves_the_analysis_to_be_queued_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = service.add(PHOTO)
    with monkeypatch.context() as patch:
        patch.setattr(service.services.store, "start_analysis", refuse)
        assert attempt(service, run).state == QUEUED
    assert taken_back(service) == [run.analyses[0].id]
    assert attempt(service, run).state == DONE


def announce_another(service: Service) -> None:
    """As a worker does that serves the same analysis in another precision."""
    card = replace(service.found["objects"].card, version="in another precision")
    service.services.jobs.announce([card], {})


def test_what_was_asked_of_another_workers_model_is_answered_by_ones_own_and_says_so(service: Service) -> None:
    announce_another(service)
    run = service.add(PHOTO)
    asked = run.analyses[0].identity
    run = attempt(service, run)
    assert (run.state, run.error) == (DONE, None)
    assert run.analyses[0].identity == service.found["objects"].card.identity != asked


def test_what_ones_own_model_has_answered_before_is_not_computed_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = attempt(service, service.add(PHOTO))
    announce_another(service)
    run = service.add(PHOTO)
    monkeypatch.setattr(Ready, "analyse", refuse)
    run = attempt(service, run)
    assert (run.state, run.analyses[0].id) == (DONE, known.analyses[0].id)
    assert service.services.store.pending_analyses() == []
    (name, *_) = service.services.store.history_classes("v:another")
    found = service.services.store.history("v:another", class_name=name).runs
    assert [each.id for each in found] == [run.id, known.id]


def test_what_ones_own_model_failed_at_is_tried_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(service.services.store.blobs, "get", gone)
        assert attempt(service, service.add(PHOTO)).state == FAILED
    announce_another(service)
    run = attempt(service, service.add(PHOTO))
    assert run.state == QUEUED
    assert attempt(service, run).state == DONE


def test_what_no_model_here_can_answer_fails_with_a_sentence(service: Service) -> None:
    run = attempt(service, service.add(PHOTO, "labels"))
    assert (run.state, run.error) == (FAILED, NOT_SERVED)
