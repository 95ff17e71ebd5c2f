"""Killed between any two steps: a child really does the work and really dies, before step 1, before step 2, and so on.

A step is a statement or commit sent to the database, or a call that changes a blob. After each death the store must be
consistent as it lies, and the same work done again must end as if nothing had happened.
"""

import gzip
import hashlib
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
from app.store.models import DONE, FINISHED, QUEUED, RUNNING, Analysis, Photo, Run
from app.store.states import run_state
from tests import made

OWNER = "v:visitor"
BLOB_CALLS = ("open", "fsync", "replace", "unlink")


def add(store: Store, photo, **options):
    return store.add_run(photo, name="a.jpg", identities=made.IDENTITIES, owner=OWNER, **options)


def die_before(store: Store, step: int) -> None:
    """From now on, this process kills itself before its n-th step."""
    steps = count(1)

    def tick(*_: Any, **__: Any) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "commit"):
        event.listen(store.database.engine, name, tick)
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


def audit(store: Store) -> None:
    """What is true at every moment."""
    with store.database.reading() as session:
        runs, analyses = session.scalars(select(Run)).all(), session.scalars(select(Analysis)).all()
    for run in runs:
        assert hashlib.sha256(store.photo_bytes(run.photo_sha256)).hexdigest() == run.photo_sha256
        assert run.analyses
        assert run.state in FINISHED or run.state == run_state([analysis.state for analysis in run.analyses])
        if run.state not in FINISHED:
            pending = {analysis.id for analysis in store.pending_analyses()}
            assert pending & {analysis.id for analysis in run.analyses}
    for analysis in analyses:
        if analysis.state == DONE:
            assert gzip.decompress(store.blobs.get(f"results/{analysis.id}.json.gz"))


def assert_nothing_is_left_over(store: Store) -> None:
    """After a clean-up, every blob belongs to a row and every row to a run."""
    store.cleanup(datetime.now(UTC) + timedelta(hours=2))
    with store.database.reading() as session:
        photos = {f"photos/{sha256}" for sha256 in session.scalars(select(Photo.sha256))}
        results = {f"results/{id}.json.gz" for id in session.scalars(select(Analysis.id).where(Analysis.state == DONE))}
        assert photos == {f"photos/{sha256}" for sha256 in session.scalars(select(Run.photo_sha256))}
    assert {key for key, _ in store.blobs.keys("photos/")} == photos
    assert {key for key, _ in store.blobs.keys("results/")} == results
    assert not list(getattr(store.blobs, "partial", _Nowhere()).glob("*"))


class _Nowhere:
    def glob(self, _pattern: str) -> list:
        return []


def test_adding_a_run(either_store: Store):
    for _step, photo in deaths(either_store, made.photo, lambda photo: add(either_store, photo)):
        run, queued = add(either_store, photo)
        # Committed before the death: the analysis is there for the reconciler. Otherwise: it is ours to enqueue.
        assert queued or [analysis.id for analysis in run.analyses] <= [a.id for a in either_store.pending_analyses()]
        assert run.state == QUEUED
    assert_nothing_is_left_over(either_store)


def test_adding_a_run_that_nobody_repeats(either_store: Store):
    for _ in deaths(either_store, made.photo, lambda photo: add(either_store, photo)):
        pass
    assert_nothing_is_left_over(either_store)


def test_starting_and_finishing_an_analysis(either_store: Store):
    def work(prepared) -> None:
        _, [id] = prepared
        either_store.start_analysis(id)
        either_store.finish_analysis(id, made.objects(cat=0.9))

    webhook = "https://example.com/"
    for _, (run, [id]) in deaths(either_store, lambda: add(either_store, made.photo(), webhook=webhook), work):
        if either_store.get_run(run.id).state != DONE:
            assert either_store.start_analysis(id).state == RUNNING
            assert either_store.finish_analysis(id, made.objects(cat=0.9)) == [run.id]
        done = either_store.get_run(run.id)
        assert either_store.results(done)["objects"].result.names[0] == "cat"
        assert run.id in [found.id for found in either_store.history(OWNER, class_name="cat").runs]
        assert len(either_store.deliveries.of_run(run.id)) == 1
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


def test_deleting_a_run(either_store: Store):
    def prepare() -> Run:
        return finished_run(either_store)

    for _, run in deaths(either_store, prepare, lambda run: either_store.delete_run(run.id)):
        with suppress(NotFound):
            either_store.delete_run(run.id)
        # The same photo can come again at once, whatever was left of it.
        again, _ = add(either_store, made.photo())
        assert either_store.get_run(again.id).state == QUEUED
    assert_nothing_is_left_over(either_store)


def test_deleting_a_run_whose_photo_comes_again_before_any_cleanup(either_store: Store):
    photos = {}

    def prepare() -> Run:
        photo = made.photo()
        run, [id] = add(either_store, photo)
        either_store.finish_analysis(id, made.objects())
        photos[run.id] = photo
        return run

    for _, run in deaths(either_store, prepare, lambda run: either_store.delete_run(run.id)):
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
