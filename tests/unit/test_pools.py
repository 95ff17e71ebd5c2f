"""Whose stored results answer whom."""

from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from tests.unit import api_service
from tests.unit.api_service import PHOTO, Service, json_of
from tests.unit.visitor import Visitor


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from api_service.running(settings, shared_results=False)


def state_of(service: Service) -> tuple[str, bool]:
    run = json_of(service.post(PHOTO))
    return run["state"], run["deduplicated"]


def test_a_photo_that_somebody_else_sent_is_analysed_as_if_it_were_new(service: Service) -> None:
    service.know(PHOTO)
    assert state_of(service) == ("queued", False)


def test_ones_own_photo_is_answered_from_the_stored_result(service: Service) -> None:
    service.post(PHOTO)
    service.answer()
    assert state_of(service) == ("done", True)


def test_an_api_key_has_results_of_its_own(service: Service) -> None:
    secrets = [service.services.store.keys.create(name)[1] for name in "ab"]
    for secret in secrets:
        run = json_of(service.post(PHOTO, Authorization=f"Bearer {secret}"))
        assert (run["state"], run["deduplicated"]) == ("queued", False)
        service.answer()


def test_with_shared_results_everybody_gets_the_stored_one(settings: Settings) -> None:
    service = Service(settings, shared_results=True)
    service.know(PHOTO)
    assert state_of(service) == ("done", True)
    service.close()


def test_a_sample_is_analysed_once_for_all(service: Service) -> None:
    addresses = []
    for _ in range(2):
        visitor = Visitor(service)
        data = {"csrf_token": visitor.token(), "sample": "coffee.jpg"}
        addresses.append(visitor.client.post("/", data=data).location)
        service.answer()
    runs = [service.services.store.get_run(address.rpartition("/")[2]) for address in addresses]
    assert [run.deduplicated for run in runs] == [False, True]


def test_a_photo_is_stored_again_so_that_the_time_tells_nobody(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.know(PHOTO)
    stored: list[str] = []
    put = service.services.store.blobs.put
    monkeypatch.setattr(service.services.store.blobs, "put", lambda key, data: (stored.append(key), put(key, data))[1])
    service.post(PHOTO)
    assert [key.partition("/")[0] for key in stored] == ["photos"]
