"""What happens at the same time: over SQLite with a folder, and PostgreSQL with S3."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from app.store import Store
from app.store.states import State
from tests import made

OWNER = "v:visitor"
MANY = 20


def add(store: Store, photo, **options):
    return store.add_run(photo, name="a.jpg", identities=made.IDENTITIES, owner=OWNER, **options)


def at_once(*actions: Callable[[], object]) -> list:
    """The answers of all actions, begun at the same moment, each in its own thread."""
    barrier = Barrier(len(actions))

    def wait_and(action: Callable[[], object]) -> object:
        barrier.wait(30)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result(60) for future in [pool.submit(wait_and, action) for action in actions]]


@contextmanager
def meanwhile(store: Store, method: str, action: Callable[[], object]) -> Iterator[None]:
    """Do something just before the first call of a blob method returns."""
    original, calls = getattr(store.blobs, method), []

    def patched(key: str, *rest):
        answer = original(key, *rest)
        calls.append(key)
        if len(calls) == 1:
            action()
        return answer

    setattr(store.blobs, method, patched)
    try:
        yield
    finally:
        setattr(store.blobs, method, original)


def test_twenty_posts_of_one_photo_at_once_queue_one_analysis(either_store: Store):
    photo = made.photo()
    answers = at_once(*[lambda: add(either_store, photo)] * MANY)
    queued = [id for _, ids in answers for id in ids]
    assert len(queued) == 1
    assert sum(not run.deduplicated for run, _ in answers) == 1
    assert {run.analyses[0].id for run, _ in answers} == set(queued)
    assert len(either_store.finish_analysis(queued[0], made.objects())) == MANY


def test_twenty_posts_from_four_processes_queue_one_analysis(either_store: Store):
    photo = made.photo()
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def post() -> None:
        for _ in range(5):
            answers.put(add(either_store, photo)[1])

    processes = [context.Process(target=post) for _ in range(4)]
    for process in processes:
        process.start()
    queued = [id for _ in range(MANY) for id in answers.get()]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert len(queued) == 1


def test_twenty_posts_of_a_failed_photo_at_once_queue_it_again_once(either_store: Store):
    photo = made.photo()
    _, [id] = add(either_store, photo)
    either_store.fail_analysis(id, "No.")
    answers = at_once(*[lambda: add(either_store, photo)] * MANY)
    assert [ids for _, ids in answers if ids] == [[id]]
    assert {run.state for run, _ in answers} == {State.QUEUED}


def test_writers_wait_for_each_other_however_many_there_are(either_store: Store):
    def work() -> None:
        for _ in range(3):
            run, [id] = add(either_store, made.photo())
            either_store.start_analysis(id)
            assert either_store.finish_analysis(id, made.objects()) == [run.id]

    at_once(*[work] * 10)
    assert [run.state for run in either_store.history(OWNER, limit=100).runs] == [State.DONE] * 30


def test_analyses_of_one_run_that_end_together_end_the_run(either_store: Store):
    for _ in range(5):
        photo = made.photo()
        identities = {"objects": "o@1/1", "faces": "f@1/1", "labels": "l@1/1"}
        run, ids = either_store.add_run(photo, name="a", identities=identities, owner=OWNER, retention_days=0)
        for id in ids:
            either_store.start_analysis(id)
        changed = at_once(*[lambda id=id: either_store.finish_analysis(id, made.objects()) for id in ids])
        assert sorted(changed) == [[], [], [run.id]]
        assert either_store.get_run(run.id).state == State.DONE


def test_a_run_added_while_its_analysis_ends_is_done_too(either_store: Store):
    for _ in range(8):
        photo = made.photo()
        _, [id] = add(either_store, photo)
        (run, queued), _ = at_once(
            lambda photo=photo: add(either_store, photo),
            lambda id=id: either_store.finish_analysis(id, made.objects()),
        )
        assert queued == []
        assert either_store.get_run(run.id).state == State.DONE


def test_a_run_added_while_the_other_one_is_cancelled_is_never_left_waiting_for_nothing(either_store: Store):
    for _ in range(8):
        photo = made.photo()
        first, [id] = add(either_store, photo)
        (run, queued), cancelled = at_once(
            lambda photo=photo: add(either_store, photo), lambda first=first: either_store.cancel_run(first.id)
        )
        # Either the second run kept the analysis, or it found it cancelled and queued it again.
        assert (queued, cancelled) in (([], []), ([id], [id]))
        assert either_store.get_run(first.id).state == State.CANCELLED
        assert either_store.start_analysis(id) is not None
        assert either_store.finish_analysis(id, made.objects()) == [run.id]


@pytest.mark.parametrize("method", ["put", "exists"])
def test_a_photo_deleted_while_it_is_added_again_is_kept(either_store: Store, method: str):
    """put: deleted whole after the addition wrote it. exists: the deletion waits for the addition's lock."""
    photo = made.photo()
    first, _ = add(either_store, photo)
    with ThreadPoolExecutor(1) as pool:

        def delete() -> None:
            deletion = pool.submit(either_store.delete_run, first.id)
            if method == "put":
                deletion.result(30)

        with meanwhile(either_store, method, delete):
            second, _ = add(either_store, photo)
    assert either_store.photo_bytes(photo.sha256) == photo.data
    assert [run.id for run in either_store.history(OWNER).runs] == [second.id]


@pytest.mark.parametrize("method", ["put", "exists"])
def test_an_old_orphan_that_is_just_being_used_again_survives_the_cleanup(either_store: Store, method: str):
    photo = made.photo()
    either_store.blobs.put(f"photos/{photo.sha256}", photo.data)
    later = datetime.now(UTC) + timedelta(hours=2)
    with ThreadPoolExecutor(1) as pool:

        def clean() -> None:
            cleaning = pool.submit(either_store.cleanup, later)
            if method == "put":
                assert cleaning.result(30).blobs == 1

        with meanwhile(either_store, method, clean):
            add(either_store, photo)
    assert either_store.photo_bytes(photo.sha256) == photo.data


def test_adding_and_deleting_one_photo_over_and_over_never_loses_it(either_store: Store):
    photo = made.photo()

    def churn() -> None:
        for _ in range(6):
            run, _ = add(either_store, photo)
            assert either_store.photo_bytes(either_store.get_run(run.id).photo_sha256) == photo.data
            either_store.delete_run(run.id)

    at_once(*[churn] * 4, lambda: either_store.cleanup(grace=timedelta(days=-1)))
    assert list(either_store.blobs.keys("photos/")) == []


def test_two_cleanups_at_once_delete_everything_once(either_store: Store):
    for _ in range(12):
        _, [id] = add(either_store, made.photo(), retention_days=1)
        either_store.finish_analysis(id, made.objects())
    later = datetime.now(UTC) + timedelta(days=2)
    reports = at_once(*[lambda: either_store.cleanup(later)] * 3)
    assert [sum(getattr(report, name) for report in reports) for name in ("runs", "analyses", "photos")] == [12] * 3
    assert [*either_store.blobs.keys("photos/"), *either_store.blobs.keys("results/")] == []


def test_a_claim_gives_each_delivery_to_one_caller(either_store: Store):
    for _ in range(10):
        _, [id] = add(either_store, made.photo(), webhook="https://example.com/")
        either_store.finish_analysis(id, made.objects())
    claimed = at_once(*[lambda: either_store.deliveries.claim(limit=10)] * 5)
    ids = [delivery.id for deliveries in claimed for delivery in deliveries]
    assert len(ids) == len(set(ids)) == 10


def test_files_refused_from_a_batch_at_once_are_all_noted(either_store: Store):
    batch = either_store.add_batch(OWNER)
    at_once(*[lambda n=n: either_store.add_refused_files(batch.id, [(f"{n}.txt", "No photo.")]) for n in range(8)])
    names = {entry["name"] for entry in either_store.get_batch(batch.id).refused}
    assert names == {f"{n}.txt" for n in range(8)}


def test_a_reader_does_not_wait_for_a_writer(either_store: Store):
    run, _ = add(either_store, made.photo())
    with either_store.database.writing(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(either_store.get_run, run.id).result(5).id == run.id
