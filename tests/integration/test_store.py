"""The store, over SQLite and PostgreSQL, a folder and S3: every test runs over all four pairs."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.errors import BadRequest, NotFound
from app.store import BlobMissing, Store
from app.store.models import CANCELLED, DONE, FAILED, QUEUED, RUNNING, AnalysisClass, Run, new_id
from tests import made

OWNER = "v:visitor"
BOTH = {"objects": "model@0123/1", "faces": "mtcnn@4567/1"}


def add(store: Store, photo=None, *, identities=made.IDENTITIES, **options) -> tuple[Run, list[str]]:
    return store.add_run(photo or made.photo(), name="a.jpg", identities=identities, owner=OWNER, **options)


def finished(store: Store, photo=None, *, analysed=None, **options) -> Run:
    run, queued = add(store, photo, **options)
    for id in queued:
        store.start_analysis(id)
        store.finish_analysis(id, analysed or made.objects(cat=0.9, dog=0.3))
    return store.get_run(run.id)


def blobs(store: Store) -> list[str]:
    return sorted(key for prefix in ("photos/", "results/") for key, _ in store.blobs.keys(prefix))


def test_a_new_run_is_queued_with_its_photo_kept(store: Store):
    photo = made.photo()
    run, queued = add(store, photo, retention_days=7, options={"threshold": 0.3}, webhook="https://example.com/")
    kept = store.get_run(run.id)
    assert (kept.state, kept.deduplicated, kept.name, kept.owner) == (QUEUED, False, "a.jpg", OWNER)
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
    assert (started.state, started.attempts, started.photo.sha256) == (RUNNING, 1, run.photo_sha256)
    running = store.get_run(run.id)
    assert running.state == RUNNING
    assert running.started_at is not None
    assert store.finish_analysis(id, made.objects(cat=0.9)) == [run.id]
    done = store.get_run(run.id)
    assert (done.state, done.analyses[0].state, done.error) == (DONE, DONE, None)
    assert done.finished_at >= done.started_at
    assert done.analyses[0].seconds >= 0


@pytest.mark.parametrize("analysed", [made.objects(cat=0.9, dog=0.3), made.faces(), made.labels(), made.faces(0)])
def test_a_result_comes_back_as_it_was(either_store: Store, analysed):
    run = finished(either_store, analysed=analysed)
    assert run.state == DONE
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
    assert (second.state, second.deduplicated, queued) == (DONE, True, [])
    assert second.finished_at is not None
    assert second.id != first.id
    assert store.results(second).keys() == {"objects"}


def test_the_same_photo_while_its_analysis_runs_shares_it(store: Store):
    photo = made.photo()
    first, [id] = add(store, photo)
    store.start_analysis(id)
    second, queued = add(store, photo)
    assert (second.state, second.deduplicated, queued) == (RUNNING, True, [])
    assert sorted(store.waiting_runs(id)) == sorted([first.id, second.id])
    assert sorted(store.finish_analysis(id, made.objects())) == sorted([first.id, second.id])
    assert store.get_run(second.id).state == DONE


def test_another_model_answers_the_same_photo_anew(store: Store):
    photo = made.photo()
    finished(store, photo)
    run, queued = add(store, photo, identities={"objects": "model@0123/2"})
    assert (run.state, run.deduplicated, len(queued)) == (QUEUED, False, 1)


def test_a_run_that_asks_for_more_queues_only_what_is_new(store: Store):
    photo = made.photo()
    first = finished(store, photo)
    run, queued = add(store, photo, identities=BOTH)
    assert run.state == RUNNING
    assert not run.deduplicated
    assert len(queued) == 1
    assert {analysis.analyzer for analysis in run.analyses} == {"objects", "faces"}
    assert first.analyses[0].id in [analysis.id for analysis in run.analyses]


def test_a_run_with_two_analyses_is_done_after_the_last_one(store: Store):
    run, [one, two] = add(store, identities=BOTH)
    store.start_analysis(one)
    assert store.finish_analysis(one, made.objects()) == []
    assert store.get_run(run.id).state == RUNNING
    assert store.finish_analysis(two, made.faces()) == [run.id]
    assert store.results(store.get_run(run.id)).keys() == {"objects", "faces"}


def test_a_failure_is_told_in_its_own_words(store: Store):
    run, [id] = add(store)
    store.start_analysis(id)
    assert store.fail_analysis(id, "This photo needs more memory than there is.") == [run.id]
    failed = store.get_run(run.id)
    assert (failed.state, failed.error) == (FAILED, "This photo needs more memory than there is.")
    assert store.results(failed) == {}


def test_a_run_of_which_one_analysis_failed_is_done_and_says_which_words(store: Store):
    run, queued = add(store, identities=BOTH)
    ids = {analysis.analyzer: analysis.id for analysis in run.analyses}
    assert set(ids.values()) == set(queued)
    store.fail_analysis(ids["faces"], "The faces model ran out of memory.")
    store.finish_analysis(ids["objects"], made.objects())
    done = store.get_run(run.id)
    assert (done.state, done.error) == (DONE, "The faces model ran out of memory.")
    assert store.results(done).keys() == {"objects"}


def test_a_failed_analysis_is_tried_again_for_the_next_run_alone(store: Store):
    photo = made.photo()
    first, [id] = add(store, photo)
    store.start_analysis(id)
    store.fail_analysis(id, "No.")
    second, queued = add(store, photo)
    assert (queued, second.state, second.deduplicated) == ([id], QUEUED, False)
    assert second.analyses[0].attempts == 0
    assert store.finish_analysis(id, made.objects()) == [second.id]
    assert store.get_run(first.id).state == FAILED


def test_a_second_start_of_a_running_analysis_is_another_attempt(store: Store):
    _, [id] = add(store)
    store.start_analysis(id)
    again = store.start_analysis(id)
    assert again is not None
    assert again.attempts == 2


def test_there_is_nothing_to_start_when_an_analysis_is_done_failed_or_gone(store: Store):
    done = finished(store).analyses[0].id
    _, [failed] = add(store)
    store.fail_analysis(failed, "No.")
    assert [store.start_analysis(id) for id in (done, failed, new_id())] == [None, None, None]


def test_finishing_twice_changes_nothing_the_second_time(store: Store):
    run, [id] = add(store)
    assert store.finish_analysis(id, made.objects(cat=0.9)) == [run.id]
    assert store.finish_analysis(id, made.objects(dog=0.9)) == []
    assert store.fail_analysis(id, "No.") == []
    assert store.results(store.get_run(run.id))["objects"].result.names[0] == "cat"


def test_a_requeued_analysis_is_queued_again_with_its_attempts_counted(store: Store):
    run, [id] = add(store)
    store.start_analysis(id)
    assert store.requeue_analysis(id)
    assert store.get_run(run.id).state == QUEUED
    assert store.start_analysis(id).attempts == 2
    store.finish_analysis(id, made.objects())
    assert not store.requeue_analysis(id)


def test_pending_analyses_are_the_queued_and_the_running_ones_oldest_first(store: Store):
    _, [queued] = add(store)
    _, [running] = add(store)
    store.start_analysis(running)
    finished(store)
    assert [analysis.id for analysis in store.pending_analyses()] == [queued, running]


def test_cancelling_a_run_cancels_what_nobody_else_waits_for(store: Store):
    photo = made.photo()
    first, [objects] = add(store, photo)
    second, [faces] = add(store, photo, identities=BOTH)
    assert store.cancel_run(second.id) == [faces]
    assert store.get_run(second.id).state == CANCELLED
    assert store.get_run(first.id).state == QUEUED
    assert store.start_analysis(faces) is None
    assert store.cancel_run(first.id) == [objects]


def test_cancelling_leaves_a_running_analysis_to_end_for_the_next_one_who_asks(store: Store):
    photo = made.photo()
    run, [id] = add(store, photo)
    store.start_analysis(id)
    assert store.cancel_run(run.id) == []
    assert store.finish_analysis(id, made.objects()) == []
    assert store.get_run(run.id).state == CANCELLED
    assert add(store, photo)[0].state == DONE


def test_cancelling_a_finished_run_changes_nothing(store: Store):
    run = finished(store)
    assert store.cancel_run(run.id) == []
    assert store.get_run(run.id).state == DONE


@pytest.mark.parametrize("id", ["", "x", "../../etc", "a" * 22, "a" * 21 + "\x00", "a" * 23, "ä" * 22])
def test_an_unknown_or_malformed_id_is_not_found(either_store: Store, id: str):
    for method in (
        either_store.get_run,
        either_store.get_batch,
        either_store.cancel_run,
        either_store.delete_run,
        either_store.delete_batch,
    ):
        with pytest.raises(NotFound):
            method(id)


def test_an_expired_run_is_not_found_before_any_cleanup(store: Store):
    run, _ = add(store, retention_days=1e-9)
    with pytest.raises(NotFound):
        store.get_run(run.id)
    assert store.history(OWNER).runs == []


def test_names_with_anything_in_them_are_kept_as_far_as_databases_can(store: Store):
    run, _ = store.add_run(
        made.photo(), name="\x00é\ud800😀" + "x" * 300, identities=made.IDENTITIES, owner=OWNER, retention_days=0
    )
    name = store.get_run(run.id).name
    assert name.startswith("é?😀xxx")
    assert len(name) == 255
    assert run.expires_at is None


def test_a_run_must_ask_for_something(store: Store):
    with pytest.raises(ValueError, match="at least one"):
        add(store, identities={})
    assert blobs(store) == []


def test_classes_are_kept_at_their_best_score(store: Store):
    run = finished(store, analysed=made.objects(cat=0.9, dog=0.25))
    with store.session() as session:
        rows = session.query(AnalysisClass).filter_by(analysis_id=run.analyses[0].id)
        found = {row.name: pytest.approx(row.best_score) for row in rows}
    assert found == {"cat": 0.9, "dog": 0.25}


# History


def test_the_history_is_the_owners_alone_and_newest_first(store: Store):
    runs = [add(store)[0].id for _ in range(3)]
    store.add_run(made.photo(), name="b", identities=made.IDENTITIES, owner="v:other", retention_days=0)
    assert [run.id for run in store.history(OWNER).runs] == runs[::-1]


def test_pages_follow_each_other_without_gap_or_repeat_while_runs_are_added(store: Store):
    runs = [add(store)[0].id for _ in range(7)]
    seen, cursor = [], None
    while True:
        page = store.history(OWNER, limit=3, cursor=cursor)
        seen += [run.id for run in page.runs]
        add(store)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == runs[::-1]


def test_runs_of_one_moment_are_paged_by_id(store: Store):
    runs = [add(store)[0].id for _ in range(5)]
    with store.session() as session:
        session.query(Run).update({"created_at": datetime(2026, 1, 1, tzinfo=UTC)})
    first = store.history(OWNER, limit=2)
    second = store.history(OWNER, limit=9, cursor=first.next_cursor)
    assert [run.id for run in [*first.runs, *second.runs]] == sorted(runs, reverse=True)


@pytest.mark.parametrize(
    "cursor", ["x", "!!!", "MTIz", "OjphYmM", "LTE6", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk6eA", "é" * 4]
)
def test_a_malformed_cursor_is_a_bad_request(either_store: Store, cursor: str):
    if cursor == "LTE6":  # "-1:", a cursor of nobody but a well-formed one
        assert either_store.history(OWNER, cursor=cursor).runs == []
        return
    with pytest.raises(BadRequest):
        either_store.history(OWNER, cursor=cursor)


def test_the_history_finds_runs_by_class_at_a_score(store: Store):
    cats = finished(store, analysed=made.objects(cat=0.9))
    faint = finished(store, analysed=made.objects(cat=0.2, dog=0.8))
    finished(store, analysed=made.objects(bird=0.9))
    assert [run.id for run in store.history(OWNER, class_name="cat").runs] == [cats.id]
    assert [run.id for run in store.history(OWNER, class_name="cat", min_score=0.1).runs] == [faint.id, cats.id]
    assert store.history(OWNER, class_name="horse").runs == []
    assert store.history("v:other", class_name="cat").runs == []


def test_the_history_finds_faces_and_labels_and_deduplicated_runs_by_class(store: Store):
    photo = made.photo()
    run, _ = add(store, photo, identities={"faces": "f@1/1", "labels": "l@1/1"})
    for analysis in run.analyses:
        store.finish_analysis(analysis.id, made.faces() if analysis.analyzer == "faces" else made.labels())
    again, _ = add(store, photo, identities={"labels": "l@1/1"})
    assert [run.id for run in store.history(OWNER, class_name="face").runs] == [run.id]
    assert [run.id for run in store.history(OWNER, class_name="tabby").runs] == [again.id, run.id]
    assert store.history_classes(OWNER) == ["face", "tabby"]
    assert store.history_classes(OWNER, min_score=0.1) == ["face", "studio_couch", "tabby"]
    assert store.history_classes("v:other") == []


def test_the_history_finds_runs_by_date(store: Store):
    runs = [finished(store, analysed=made.objects(cat=0.9)).id for _ in range(3)]
    days = [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3)]
    with store.session() as session:
        for id, day in zip(runs, days, strict=True):
            session.get(Run, id).created_at = day
    found = store.history(OWNER, since=days[1], until=days[2])
    assert [run.id for run in found.runs] == [runs[1]]
    assert [run.id for run in store.history(OWNER, since=days[1]).runs] == runs[:0:-1]


# Batches, keys, webhooks


def test_a_batch_holds_its_runs_in_order_and_what_was_refused(store: Store):
    batch = store.add_batch(OWNER, retention_days=1)
    runs = [add(store, batch_id=batch.id)[0].id for _ in range(3)]
    store.refuse(batch.id, "notes.txt", "This file is not a photo.")
    store.refuse(batch.id, "evil\x00.zip", "Archives inside archives are not opened.")
    kept = store.get_batch(batch.id)
    assert [entry["name"] for entry in kept.refused] == ["notes.txt", "evil.zip"]
    assert [run.id for run in store.batch_runs(batch.id)] == runs
    store.delete_batch(batch.id)
    assert blobs(store) == []
    with pytest.raises(NotFound):
        store.get_batch(batch.id)


def test_an_api_key_is_found_by_its_secret_until_it_is_revoked(store: Store):
    key, secret = store.keys.create("laptop")
    other, _ = store.keys.create("phone")
    assert secret not in (key.id, key.hash)
    assert store.keys.find(secret).id == key.id
    assert store.keys.find(secret + "x") is None
    store.keys.revoke(key.id)
    assert store.keys.find(secret) is None
    assert [entry.id for entry in store.keys.all()] == [key.id, other.id]
    with pytest.raises(NotFound):
        store.keys.revoke("nothing")


def test_a_finished_run_with_a_webhook_is_due_for_delivery_once(store: Store):
    run, [id] = add(store, webhook="https://example.com/hook")
    assert store.deliveries.claim() == []
    store.finish_analysis(id, made.objects())
    [delivery] = store.deliveries.claim()
    assert (delivery.run_id, delivery.url, delivery.attempts) == (run.id, "https://example.com/hook", 1)
    assert store.deliveries.claim() == []
    store.deliveries.delivered(delivery.id)
    [kept] = store.deliveries.of_run(run.id)
    assert (kept.due_at, kept.error) == (None, None)
    assert kept.delivered_at is not None


def test_failed_cancelled_and_deduplicated_runs_have_their_webhooks_too(store: Store):
    failing, [id] = add(store, webhook="https://example.com/")
    store.fail_analysis(id, "No.")
    cancelled, _ = add(store, webhook="https://example.com/")
    store.cancel_run(cancelled.id)
    photo = made.photo()
    finished(store, photo)
    again, _ = add(store, photo, webhook="https://example.com/")
    assert {delivery.run_id for delivery in store.deliveries.claim()} == {failing.id, cancelled.id, again.id}


def test_a_claimed_delivery_comes_back_when_its_lease_ends_or_its_next_try_is_due(store: Store):
    run, [id] = add(store, webhook="https://example.com/")
    store.finish_analysis(id, made.objects())
    now = datetime.now(UTC) + timedelta(seconds=1)
    [delivery] = store.deliveries.claim(now=now, lease=60)
    [again] = store.deliveries.claim(now=now + timedelta(seconds=61))
    assert (again.id, again.attempts) == (delivery.id, 2)
    later = now + timedelta(hours=1)
    store.deliveries.retry(again.id, "It answered 500.", later)
    assert store.deliveries.next_due() == later
    assert store.deliveries.claim(now=now + timedelta(minutes=59)) == []
    store.deliveries.give_up(store.deliveries.claim(now=later)[0].id, "It answered 500.")
    assert store.deliveries.next_due() is None
    assert store.deliveries.of_run(run.id)[0].error == "It answered 500."


# Deletion and expiry


def test_deleting_a_run_deletes_all_that_only_it_used(store: Store):
    run = finished(store)
    assert len(blobs(store)) == 2
    store.delete_run(run.id)
    assert blobs(store) == []
    assert store.history_classes(OWNER) == []
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
    assert str(report) == "Deleted 3 runs, 3 analyses, 3 photos, 1 batches."
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
    assert store.get_run(run.id).state == DONE
