"""Killed between any two steps: a child really does the work and really dies, before step 1, before step 2, and so on.

A step is a writing statement or a commit sent to the database, or a call that changes a blob. After each death the
store must be consistent as it lies, and the same work done again must end as if nothing had happened.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import event, select

from app.errors import NotFound
from app.store import Store
from app.store.models import Run
from app.store.states import State
from tests import made
from tests.deliveries import deliveries_of
from tests.store_audit import assert_nothing_is_left_over, audit

OWNER = "v:visitor"
BLOB_CALLS = ("open", "fsync", "replace", "unlink")


def add(store: Store, photo, **options):
    return store.add_run(photo, name="a.jpg", identities=made.IDENTITIES, owner=OWNER, **options)


def die_before(store: Store, step: int) -> None:
    """From now on, this process kills itself before its n-th step."""
    steps = count(1)

    def tick(*_: Any) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def tick_on_writing(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            tick()

    event.listen(store.database.engine, "before_cursor_execute", tick_on_writing)
    event.listen(store.database.engine, "commit", tick)
    for owner, names in ((os, BLOB_CALLS), (store.blobs, ("put", "delete"))):
        for name in names:
            setattr(owner, name, _ticking(getattr(owner, name), tick))


def _ticking(function: Callable, tick: Callable) -> Callable:
    def call(*arguments: Any, **options: Any) -> Any:
        tick()
        return function(*arguments, **options)

    return call


def survives(store: Store, step: int, work: Callable[[], object]) -> bool:
    """Do the work in a child that dies before the n-th step; whether the work ended before that."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            die_before(store, step)
            work()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL), "the child failed instead of being killed"
    return status == 0


def deaths(store: Store, prepare: Callable[[], Any], work: Callable[[Any], object]) -> Iterator[tuple[int, Any]]:
    """Each step of the work at which a child died, with what was prepared for it; ends when the work outlives it."""
    for step in count(1):
        prepared = prepare()
        if survives(store, step, lambda prepared=prepared: work(prepared)):
            assert step > 3
            return
        audit(store)
        yield step, prepared


def test_adding_a_run(either_store: Store):
    for step, photo in deaths(either_store, made.photo, lambda photo: add(either_store, photo)):
        if step % 2:
            continue  # nobody tries again
        run, queued = add(either_store, photo)
        # Committed before the death: the analysis is there for the reconciler. Otherwise: it is ours to enqueue.
        assert queued or [analysis.id for analysis in run.analyses] <= [a.id for a in either_store.pending_analyses()]
        assert run.state == State.QUEUED
    assert_nothing_is_left_over(either_store)


def test_starting_and_finishing_an_analysis(either_store: Store):
    def work(prepared) -> None:
        _, [id] = prepared
        either_store.start_analysis(id)
        either_store.finish_analysis(id, made.objects(cat=0.9))

    webhook = "https://example.com/"
    for _, (run, [id]) in deaths(either_store, lambda: add(either_store, made.photo(), webhook=webhook), work):
        if either_store.get_run(run.id).state != State.DONE:
            assert either_store.start_analysis(id).state == State.RUNNING
            assert either_store.finish_analysis(id, made.objects(cat=0.9)) == [run.id]
        done = either_store.get_run(run.id)
        assert either_store.results(done)["objects"].result.names[0] == "cat"
        assert run.id in [found.id for found in either_store.history(OWNER, class_name="cat").runs]
        assert len(deliveries_of(either_store, run.id)) == 1
    assert_nothing_is_left_over(either_store)


def test_failing_an_analysis(either_store: Store):
    def prepare():
        run, [id] = add(either_store, made.photo())
        either_store.start_analysis(id)
        return run, id

    for _, (run, id) in deaths(either_store, prepare, lambda prepared: either_store.fail_analysis(prepared[1], "No.")):
        either_store.fail_analysis(id, "No.")
        assert either_store.get_run(run.id).error == "No."


def finished_run(store: Store, **options) -> Run:
    run, [id] = add(store, made.photo(), **options)
    store.finish_analysis(id, made.objects())
    return run


def test_deleting_a_run_whose_photo_comes_again(either_store: Store):
    photos = {}

    def prepare() -> Run:
        photo = made.photo()
        run, [id] = add(either_store, photo)
        either_store.finish_analysis(id, made.objects())
        photos[run.id] = photo
        return run

    for step, run in deaths(either_store, prepare, lambda run: either_store.delete_run(run.id)):
        if step % 2:
            with suppress(NotFound):
                either_store.delete_run(run.id)
        again, _ = add(either_store, photos[run.id])
        assert either_store.photo_bytes(again.photo_sha256) == photos[run.id].data
        audit(either_store)
    assert_nothing_is_left_over(either_store)


def test_cleaning_up(either_store: Store):
    later = datetime.now(UTC) + timedelta(days=2)

    def prepare() -> Run:
        either_store.blobs.put(f"photos/{made.photo().sha256}", b"orphan")
        finished_run(either_store, retention_days=1)
        return finished_run(either_store)

    def work(_run: Run) -> None:
        either_store.cleanup(later)

    for _, kept in deaths(either_store, prepare, work):
        either_store.cleanup(later)
        assert either_store.results(either_store.get_run(kept.id)).keys() == {"objects"}
    assert_nothing_is_left_over(either_store)
    with either_store.database.reading() as session:
        assert session.scalars(select(Run.id).where(Run.expires_at.is_not(None))).all() == []
