"""The store, over SQLite and PostgreSQL, a folder and S3: every test runs over all four pairs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.errors import NotFound
from app.store import BlobMissing, Store
from app.store.models import new_id
from app.store.states import State
from tests import made
from tests.made import BOTH, OWNER, add, blobs, finished


def test_a_new_run_is_queued_with_its_photo_kept(store: Store):
    photo = made.photo()
    run, queued = add(store, photo, retention_days=7, options={"threshold": 0.3}, webhook="https://example.com/")
    kept = store.get_run(run.id)
    assert (kept.state, kept.deduplicated, kept.name, kept.owner) == (State.QUEUED, False, "a.jpg", OWNER)
    assert (kept.photo.sha256, kept.photo.md5, kept.photo.width, kept.photo.height) == (photo.sha256, photo.md5, 64, 48)
    assert [analysis.id for analysis in kept.analyses] == queued
    assert kept.options == {"threshold": 0.3}
    assert kept.expires_at == kept.created_at + timedelta(days=7)
    assert kept.created_at.tzinfo is UTC or kept.created_at.utcoffset() == timedelta(0)
    assert store.photo_bytes(photo.sha256) == photo.data


def test_a_run_lives_from_queued_over_running_to_done(store: Store):
    run, [id] = add(store)
    started = store.start_analysis(id)
    assert started is not None
    assert (started.state, started.attempts, started.photo.sha256) == (State.RUNNING, 1, run.photo_sha256)
    running = store.get_run(run.id)
    assert running.state == State.RUNNING
    assert running.started_at is not None
    assert store.finish_analysis(id, made.objects(cat=0.9)) == [run.id]
    done = store.get_run(run.id)
    assert (done.state, done.analyses[0].state, done.error) == (State.DONE, State.DONE, None)
    assert done.finished_at >= done.started_at
    assert done.analyses[0].seconds >= 0


@pytest.mark.parametrize("analysed", [made.objects(cat=0.9, dog=0.3), made.faces(), made.labels(), made.faces(0)])
def test_a_result_comes_back_as_it_was(either_store: Store, analysed):
    run = finished(either_store, analysed=analysed)
    assert run.state == State.DONE
    [result] = either_store.results(run).values()
    assert result.to_dict() == analysed.to_dict()
    assert result.card == analysed.card


def test_boxes_and_scores_keep_every_bit_of_float32(store: Store):
    analysed = made.objects(cat=1 / 3)
    analysed.result.boxes[:] = np.nextafter(np.float32(123.456), np.float32(200))
    back = store.results(finished(store, analysed=analysed))["objects"].result
    assert back.boxes.dtype == np.float32
    assert np.array_equal(back.boxes, analysed.result.boxes)
    assert np.array_equal(back.scores, analysed.result.scores)


def test_the_same_photo_again_is_done_at_once_with_nothing_queued(store: Store):
    photo = made.photo()
    first = finished(store, photo)
    second, queued = add(store, photo)
    assert (second.state, second.deduplicated, queued) == (State.DONE, True, [])
    assert second.finished_at is not None
    assert second.id != first.id
    assert store.results(second).keys() == {"objects"}


def test_the_same_photo_while_its_analysis_runs_shares_it(store: Store):
    photo = made.photo()
    first, [id] = add(store, photo)
    store.start_analysis(id)
    second, queued = add(store, photo)
    assert (second.state, second.deduplicated, queued) == (State.RUNNING, True, [])
    assert sorted(store.waiting_runs(id)) == sorted([first.id, second.id])
    assert sorted(store.finish_analysis(id, made.objects())) == sorted([first.id, second.id])
    assert store.get_run(second.id).state == State.DONE


def test_a_run_that_asks_for_more_queues_only_what_is_new(store: Store):
    photo = made.photo()
    first = finished(store, photo)
    run, queued = add(store, photo, identities=BOTH)
    assert run.state == State.RUNNING
    assert not run.deduplicated
    assert len(queued) == 1
    assert {analysis.analyzer for analysis in run.analyses} == {"objects", "faces"}
    assert first.analyses[0].id in [analysis.id for analysis in run.analyses]


def test_finishing_twice_changes_nothing_the_second_time(store: Store):
    run, [id] = add(store)
    assert store.finish_analysis(id, made.objects(cat=0.9)) == [run.id]
    assert store.finish_analysis(id, made.objects(dog=0.9)) == []
    assert store.fail_analysis(id, "No.") == []
    assert store.results(store.get_run(run.id))["objects"].result.names[0] == "cat"


def test_an_expired_run_is_not_found_before_any_cleanup(store: Store):
    run, _ = add(store, retention_days=1e-9)
    with pytest.raises(NotFound):
        store.get_run(run.id)
    assert store.history(OWNER).runs == []


def test_a_run_must_ask_for_something(store: Store):
    with pytest.raises(ValueError, match="at least one"):
        add(store, identities={})
    assert blobs(store) == []


def test_deleting_a_run_deletes_all_that_only_it_used(store: Store):
    run = finished(store)
    assert len(blobs(store)) == 2
    store.delete_run(run.id)
    assert blobs(store) == []
    assert store.history_classes(OWNER) == {}
    with pytest.raises(NotFound):
        store.get_run(run.id)
    with pytest.raises(BlobMissing):
        store.results(run)


def test_deleting_a_run_keeps_what_another_one_uses(store: Store):
    photo = made.photo()
    first, second = finished(store, photo), finished(store, photo)
    third, [faces] = add(store, photo, identities={"faces": "f@1/1"})
    store.delete_run(first.id)
    assert store.results(store.get_run(second.id)).keys() == {"objects"}
    store.delete_run(second.id)
    assert store.photo_bytes(photo.sha256) == photo.data
    assert blobs(store) == [f"photos/{photo.sha256}"]
    assert store.finish_analysis(faces, made.faces()) == [third.id]


def test_a_result_that_comes_after_its_run_was_deleted_is_dropped(store: Store):
    run, [id] = add(store)
    store.start_analysis(id)
    store.delete_run(run.id)
    assert store.finish_analysis(id, made.objects()) == []
    assert store.fail_analysis(id, "No.") == []
    assert blobs(store) == []


def test_cleanup_deletes_expired_runs_and_keeps_the_others(store: Store):
    kept = finished(store)
    for _ in range(3):
        finished(store, retention_days=1)
    batch = store.add_batch(OWNER, retention_days=1)
    now = datetime.now(UTC)
    assert str(store.cleanup(now)) == "Nothing to delete."
    report = store.cleanup(now + timedelta(days=2))
    assert (report.runs, report.analyses, report.photos, report.batches, report.blobs) == (3, 3, 3, 1, 0)
    assert str(report) == "Deleted 3 runs, 3 analyses, 3 photos, 1 batch."
    assert blobs(store) == sorted([f"photos/{kept.photo_sha256}", f"results/{kept.analyses[0].id}.json.gz"])
    with pytest.raises(NotFound):
        store.get_batch(batch.id)


def test_cleanup_deletes_orphans_once_they_are_old_and_nothing_that_is_not_ours(store: Store):
    run = finished(store)
    store.blobs.put("photos/" + "0" * 64, b"orphan")
    store.blobs.put(f"results/{new_id()}.json.gz", b"orphan")
    store.blobs.put("photos/readme.txt", b"somebody else's")
    now = datetime.now(UTC)
    assert store.cleanup(now).blobs == 0
    assert store.cleanup(now + timedelta(hours=2)).blobs == 2
    assert "photos/readme.txt" in blobs(store)
    assert store.results(store.get_run(run.id)).keys() == {"objects"}


def test_cleanup_forgets_old_deliveries(store: Store):
    run, [id] = add(store, webhook="https://example.com/")
    store.finish_analysis(id, made.objects())
    store.deliveries.delivered(store.deliveries.claim()[0].id)
    assert store.cleanup(datetime.now(UTC) + timedelta(days=8)).deliveries == 1
    assert store.get_run(run.id).state == State.DONE
