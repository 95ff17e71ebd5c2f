"""The gallery of an owner's photos and batches, and removing with a way back. Over SQLite and over PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from app.errors import BadRequest, NotFound
from app.store import Store
from app.store.gallery import Place, Stack
from app.store.retention import RESTORABLE
from app.store.states import State
from tests import made
from tests.made import OWNER, add, blobs, finished


@pytest.fixture
def store(either_store: Store) -> Store:
    """Where the blobs lie makes no difference here."""
    return either_store


def ids(store: Store, **options: object) -> list[str]:
    entries = store.gallery(OWNER, **options).entries
    return [entry.batch.id if isinstance(entry, Stack) else entry.id for entry in entries]


def test_batches_stand_among_photos_by_their_time(store: Store):
    first = finished(store)
    batch = store.add_batch(OWNER)
    inside = [finished(store, batch_id=batch.id, analysed=made.objects(dog=0.9)) for _ in range(5)]
    waiting, _ = add(store, batch_id=batch.id)
    last = finished(store)
    add(store, owner="v:other")
    store.add_batch(OWNER)  # without a photo
    assert ids(store) == [last.id, batch.id, first.id]
    stack = store.gallery(OWNER).entries[1]
    assert isinstance(stack, Stack)
    assert [run.id for run in stack.runs] == [run.id for run in inside[:4]]
    assert stack.states == {State.DONE: 5, State.QUEUED: 1}
    assert stack.classes == ["dog"]
    assert waiting.state == State.QUEUED


def test_the_gallery_goes_on_where_its_last_page_ended(store: Store):
    made_in_order = []
    for n in range(7):
        if n % 3:
            made_in_order.append(finished(store).id)
        else:
            batch = store.add_batch(OWNER)
            finished(store, batch_id=batch.id)
            made_in_order.append(batch.id)
    seen, cursor = [], None
    while True:
        page = store.gallery(OWNER, cursor=cursor, limit=2)
        seen += [entry.batch.id if isinstance(entry, Stack) else entry.id for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made_in_order[::-1]
    with pytest.raises(BadRequest):
        store.gallery(OWNER, cursor="?")


def test_the_gallery_is_narrowed_by_time(store: Store):
    batch = store.add_batch(OWNER)
    finished(store, batch_id=batch.id)
    now = datetime.now(UTC)
    assert ids(store, since=now) == []
    run = finished(store)
    assert ids(store, since=now) == [run.id]
    assert ids(store, until=now) == [batch.id]


def test_a_run_knows_the_runs_beside_it(store: Store):
    older = finished(store)
    batch = store.add_batch(OWNER)
    first, second, third = (finished(store, batch_id=batch.id) for _ in range(3))
    newer = finished(store)
    finished(store, owner="v:other")
    assert store.place(second) == Place(first.id, third.id, 2, 3)
    assert store.place(first) == Place(None, second.id, 1, 3)
    assert store.place(third) == Place(second.id, None, 3, 3)
    assert store.place(older) == Place(newer.id, None)
    assert store.place(newer) == Place(None, older.id)


def test_what_is_chosen_is_the_owners_alone(store: Store):
    batch = store.add_batch(OWNER)
    inside, alone, left = finished(store, batch_id=batch.id), finished(store), finished(store)
    theirs = finished(store, owner="v:other")
    found = store.chosen_runs(OWNER, [alone.id, theirs.id], [batch.id])
    assert [run.id for run in found] == [alone.id, inside.id]
    assert left.id not in {run.id for run in found}


def test_what_was_removed_is_nowhere_until_it_is_restored(store: Store):
    batch = store.add_batch(OWNER)
    inside, alone = finished(store, batch_id=batch.id), finished(store)
    removed_at = store.remove_runs([inside, alone])
    assert (ids(store), store.history(OWNER).runs, store.batch_runs(batch.id)) == ([], [], [])
    assert store.history_classes(OWNER) == {}
    with pytest.raises(NotFound):
        store.get_run(alone.id)
    assert store.removed_runs(OWNER, removed_at) == 2
    assert store.removed_runs("v:other", removed_at) == 0
    assert store.restore_runs(OWNER, removed_at) == 2
    assert ids(store) == [alone.id, batch.id]
    assert store.history_classes(OWNER) == {"cat": 2}
    assert store.restore_runs(OWNER, removed_at) == 0


def test_a_run_that_ends_while_it_is_removed_is_complete_when_it_is_restored(store: Store):
    run, [analysis] = add(store)
    removed_at = store.remove_runs([run])
    store.finish_analysis(analysis, made.objects(cat=0.9))
    assert store.history_classes(OWNER) == {}
    store.restore_runs(OWNER, removed_at)
    assert store.get_run(run.id).state == State.DONE
    assert store.history_classes(OWNER) == {"cat": 1}


def test_what_was_removed_is_deleted_for_good_after_a_while(store: Store):
    kept, gone = finished(store), finished(store)
    removed_at = store.remove_runs([gone])
    assert store.delete_removed(removed_at + RESTORABLE - timedelta(seconds=1)) == 0
    assert len(blobs(store)) == 4
    assert store.delete_removed(removed_at + RESTORABLE) == 1
    assert len(blobs(store)) == 2
    assert store.restore_runs(OWNER, removed_at) == 0
    assert ids(store) == [kept.id]


@pytest.mark.parametrize("asked", ["École", "école", "ÉCOLE", "mer 2", "100%"])
def test_the_history_finds_runs_by_name(store: Store, asked: str):
    finished(store, name="street.jpg")
    run = finished(store, name="École de la Mer 2026 100%_.jpg")
    assert [found.id for found in store.history(OWNER, text=asked).runs] == [run.id]
    assert store.history(OWNER, text="100_").runs == []
