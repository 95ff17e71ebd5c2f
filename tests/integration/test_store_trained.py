"""Versions and trainings: what happens at once, and what a death between two steps leaves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.store import Store
from app.store.models import Training, Version
from app.store.states import State
from app.store.trainings import DATA, PHOTOS, STATE
from app.store.versions import NothingBefore, version_key
from tests.fixtures.trained import write_trained
from tests.integration.test_store_concurrency import at_once
from tests.integration.test_store_crash import deaths, survives

MANY = 8


def training(store: Store) -> str:
    """The id of a training with all that is kept of it."""
    id = store.trainings.create(store.data_sets.create("Screws").id, "starter", 1, "Screws").id
    for part in (DATA, STATE, PHOTOS):
        store.trainings.keep(id, part, b"...")
    return id


def promotable(store: Store) -> list[str]:
    """Ids of versions without their blobs."""
    made = [Version(title=str(number), card={}, bytes=0) for number in range(MANY)]
    with store.database.writing() as session:
        session.add_all(made)
    return [version.id for version in made]


def kept(store: Store) -> set[str]:
    return {key for prefix in ("versions/", "trainings/") for key, _ in store.blobs.keys(prefix)}


def test_of_many_workers_one_starts_a_training(either_store: Store) -> None:
    id = training(either_store)
    started = at_once(*[lambda: either_store.trainings.start(id)] * MANY)
    assert sum(each is not None for each in started) == 1


def test_a_worker_that_was_taken_for_lost_does_not_end_what_another_one_ended(either_store: Store) -> None:
    id = training(either_store)
    [version] = promotable(either_store)[:1]
    either_store.trainings.start(id)
    either_store.trainings.end(id, State.DONE, version_id=version)
    either_store.trainings.end(id, State.FAILED, error="No memory.")
    ended = either_store.trainings.get(id)
    assert (ended.state, ended.error, ended.version_id) == (State.DONE, None, version)


def test_promotions_at_once_all_count_and_are_gone_back_from_one_by_one(either_store: Store) -> None:
    versions, ids = either_store.versions, promotable(either_store)
    at_once(*[lambda id=id: versions.promote(id) for id in ids])  # type: ignore[misc]
    seen = [versions.current(), *(versions.roll_back() for _ in ids)]
    assert set(seen) == {*ids, None}
    assert seen[-1] is None
    with pytest.raises(NothingBefore):
        versions.roll_back()


def test_a_version_that_is_listed_can_be_had_wherever_adding_it_ended(either_store: Store, tmp_path: Path) -> None:
    folder = write_trained(tmp_path / "out")
    (folder / "detector.pth").write_bytes(b"weights")  # Large ones would only take longer.
    for number, _ in deaths(either_store, lambda: None, lambda _: either_store.versions.add(folder, "Screws", {})):
        for version in either_store.versions.all():
            assert either_store.versions.data(version.id), number
    [version] = either_store.versions.all()
    either_store.cleanup(datetime.now(UTC) + timedelta(hours=2))
    assert kept(either_store) == {version_key(version.id)}
    step = 1
    while not survives(either_store, step, lambda: either_store.versions.delete(version.id)):
        if not either_store.versions.all():
            break
        assert either_store.versions.data(version.id)
        step += 1
    either_store.cleanup(datetime.now(UTC) + timedelta(hours=2))
    assert kept(either_store) == set()


def test_a_deleted_training_leaves_nothing_wherever_that_ended(either_store: Store) -> None:
    for _, id in deaths(either_store, lambda: training(either_store), either_store.trainings.delete):
        with either_store.database.reading() as session:
            gone = session.get(Training, id) is None
        assert gone or either_store.trainings.kept(id, STATE)
    for left in either_store.trainings.all():
        either_store.trainings.delete(left.id)
    either_store.cleanup(datetime.now(UTC) + timedelta(hours=2))
    assert kept(either_store) == set()
