"""The store's records: states, history, batches, keys, webhooks. Every test runs over SQLite and over PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.errors import BadRequest, NotFound
from app.store import Store
from app.store.base import TEXT_LENGTH
from app.store.models import AnalysisClass, AnalysisText, Run, new_id
from app.store.states import State
from tests import made
from tests.deliveries import deliveries_of
from tests.made import BOTH, OWNER, add, blobs, finished


@pytest.fixture
def store(either_store: Store) -> Store:
    """Where the blobs lie makes no difference here."""
    return either_store


# States


def test_another_model_analyses_the_same_photo_again(store: Store):
    photo = made.photo()
    finished(store, photo)
    run, queued = add(store, photo, identities={"objects": "model@0123/2"})
    assert (run.state, run.deduplicated, len(queued)) == (State.QUEUED, False, 1)


def test_a_run_with_two_analyses_is_done_after_the_last_one(store: Store):
    run, [one, two] = add(store, identities=BOTH)
    store.start_analysis(one)
    assert store.finish_analysis(one, made.objects()) == []
    assert store.get_run(run.id).state == State.RUNNING
    assert store.finish_analysis(two, made.faces()) == [run.id]
    assert store.results(store.get_run(run.id)).keys() == {"objects", "faces"}


def test_a_failure_keeps_its_own_message(store: Store):
    run, [id] = add(store)
    store.start_analysis(id)
    assert store.fail_analysis(id, "This photo needs more memory than there is.") == [run.id]
    failed = store.get_run(run.id)
    assert (failed.state, failed.error) == (State.FAILED, "This photo needs more memory than there is.")
    assert store.results(failed) == {}


def test_a_run_of_which_one_analysis_failed_is_done_and_says_which_words(store: Store):
    run, queued = add(store, identities=BOTH)
    ids = {analysis.analyzer: analysis.id for analysis in run.analyses}
    assert set(ids.values()) == set(queued)
    store.fail_analysis(ids["faces"], "The faces model ran out of memory.")
    store.finish_analysis(ids["objects"], made.objects())
    done = store.get_run(run.id)
    assert (done.state, done.error) == (State.DONE, "The faces model ran out of memory.")
    assert store.results(done).keys() == {"objects"}


def test_a_failed_analysis_is_tried_again_for_the_next_run_alone(store: Store):
    photo = made.photo()
    first, [id] = add(store, photo)
    store.start_analysis(id)
    store.fail_analysis(id, "No.")
    second, queued = add(store, photo)
    assert (queued, second.state, second.deduplicated) == ([id], State.QUEUED, False)
    assert second.analyses[0].attempts == 0
    assert store.finish_analysis(id, made.objects()) == [second.id]
    assert store.get_run(first.id).state == State.FAILED


def test_an_unfinished_run_takes_part_when_another_one_tries_its_failed_analysis_again(store: Store):
    photo = made.photo()
    first, _ = add(store, photo, identities=BOTH)
    ids = {analysis.analyzer: analysis.id for analysis in first.analyses}
    store.fail_analysis(ids["faces"], "No.")
    second, queued = add(store, photo, identities={"faces": BOTH["faces"]})
    assert queued == [ids["faces"]]
    assert store.get_run(first.id).state == State.QUEUED
    assert store.finish_analysis(ids["faces"], made.faces()) == sorted([first.id, second.id])
    assert store.finish_analysis(ids["objects"], made.objects()) == [first.id]
    assert store.get_run(first.id).error is None


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


def test_a_requeued_analysis_is_queued_again_with_its_attempts_counted(store: Store):
    run, [id] = add(store)
    store.start_analysis(id)
    assert store.requeue_analysis(id)
    assert store.get_run(run.id).state == State.QUEUED
    assert store.start_analysis(id).attempts == 2
    store.finish_analysis(id, made.objects())
    assert not store.requeue_analysis(id)


def test_an_analysis_is_answered_by_another_identity_alone_or_shares_what_that_one_has_done(store: Store):
    photo = made.photo()
    first, (id,) = add(store, photo)
    store.start_analysis(id)
    assert store.reassign_analysis(id, "other@0/1") is None
    store.finish_analysis(id, made.objects(cat=0.9))
    assert store.get_run(first.id).analyses[0].identity == "other@0/1"
    second, (again,) = add(store, photo)
    store.start_analysis(again)
    assert store.reassign_analysis(again, "other@0/1") == ([second.id], [])
    run = store.get_run(second.id)
    assert (run.state, [analysis.id for analysis in run.analyses]) == (State.DONE, [id])
    assert store.get_analysis(again) is None
    assert store.reassign_analysis(again, "other@0/1") == ([], [])


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
    assert store.get_run(second.id).state == State.CANCELLED
    assert store.get_run(first.id).state == State.QUEUED
    assert store.start_analysis(faces) is None
    assert store.cancel_run(first.id) == [objects]


def test_cancelling_leaves_a_running_analysis_to_end_for_the_next_one_who_asks(store: Store):
    photo = made.photo()
    run, [id] = add(store, photo)
    store.start_analysis(id)
    assert store.cancel_run(run.id) == []
    assert store.finish_analysis(id, made.objects()) == []
    assert store.get_run(run.id).state == State.CANCELLED
    assert add(store, photo)[0].state == State.DONE


def test_cancelling_a_finished_run_changes_nothing(store: Store):
    run = finished(store)
    assert store.cancel_run(run.id) == []
    assert store.get_run(run.id).state == State.DONE


@pytest.mark.parametrize("id", ["", "x", "../../etc", "a" * 22, "a" * 21 + "\x00", "a" * 23, "ä" * 22])
def test_an_unknown_or_malformed_id_is_not_found(store: Store, id: str):
    for method in (
        store.get_run,
        store.get_batch,
        store.cancel_run,
        store.delete_run,
        store.delete_batch,
    ):
        with pytest.raises(NotFound):
            method(id)


def test_names_with_anything_in_them_are_kept_as_far_as_databases_can(store: Store):
    run, _ = store.add_run(
        made.photo(), name="\x00é\ud800😀" + "x" * 300, identities=made.IDENTITIES, owner=OWNER, retention_days=0
    )
    name = store.get_run(run.id).name
    assert name.startswith("é?😀xxx")
    assert len(name) == 255
    assert run.expires_at is None


def test_classes_are_kept_at_their_best_score(store: Store):
    run = finished(store, analysed=made.objects(cat=0.9, dog=0.25))
    with store.database.writing() as session:
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
    with store.database.writing() as session:
        session.query(Run).update({"created_at": datetime(2026, 1, 1, tzinfo=UTC)})
    first = store.history(OWNER, limit=2)
    second = store.history(OWNER, limit=9, cursor=first.next_cursor)
    assert [run.id for run in [*first.runs, *second.runs]] == sorted(runs, reverse=True)


@pytest.mark.parametrize(
    "cursor", ["x", "!!!", "MTIz", "OjphYmM", "LTE6", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk6eA", "é" * 4]
)
def test_a_malformed_cursor_is_a_bad_request(store: Store, cursor: str):
    if cursor == "LTE6":  # "-1:", a cursor of nobody but a well-formed one
        assert store.history(OWNER, cursor=cursor).runs == []
        return
    with pytest.raises(BadRequest):
        store.history(OWNER, cursor=cursor)


def test_the_history_finds_runs_by_class_at_a_score(store: Store):
    cats = finished(store, analysed=made.objects(cat=0.9))
    faint = finished(store, analysed=made.objects(cat=0.2, dog=0.8))
    shown_at_half = finished(store, analysed=made.objects(bird=0.49996))
    assert [run.id for run in store.history(OWNER, class_name="bird").runs] == [shown_at_half.id]
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
    assert list(store.history_classes(OWNER).items()) == [("tabby", 2), ("face", 1)]
    assert store.history_classes(OWNER, min_score=0.1) == {"studio_couch": 2, "tabby": 2, "face": 1}
    assert store.history_classes("v:other") == {}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("milk", True),
        ("OAT MILK", True),
        ("milk 100% 2.50", True),  # over the end of a line
        ("  oat \t milk ", True),
        ("100%", True),
        ("10%", False),
        ("o_t", False),
        ("2\\", False),
        ("a\\b/c", True),
        ("CAFÉ", True),
        ("cafe\N{COMBINING ACUTE ACCENT}", True),
        ("cafe", False),
        ("STRASSE", True),
        ("牛奶", True),
        ("'; --", False),
        ("x\x00", False),
        ("mi\x00lk", True),
        (" ", True),
    ],
)
def test_the_history_finds_runs_by_text(store: Store, asked: str, found: bool):
    run = finished(store, analysed=made.texts("Oat  Milk", "100% 2.50", "a\\b/c", "café", "Straße", "牛奶", "nul\x00"))
    assert [run.id for run in store.history(OWNER, text=asked).runs] == ([run.id] if found else [])


def test_a_text_is_found_in_every_run_of_its_analysis_and_by_their_owners_alone(store: Store):
    photo = made.photo()
    first = finished(store, photo, analysed=made.texts("EXIT"))
    finished(store, analysed=made.texts("ENTRANCE"))
    again = finished(store, photo)
    theirs, _ = store.add_run(photo, name="b", identities=made.IDENTITIES, owner="v:other")
    page = store.history(OWNER, text="exit", limit=1)
    assert [run.id for run in page.runs] == [again.id]
    page = store.history(OWNER, text="exit", limit=1, cursor=page.next_cursor)
    assert ([run.id for run in page.runs], page.next_cursor) == ([first.id], None)
    assert [run.id for run in store.history("v:other", text="exit").runs] == [theirs.id]
    assert store.history("v:nobody", text="exit").runs == []
    store.delete_run(again.id)
    assert [run.id for run in store.history(OWNER, text="exit").runs] == [first.id]


def test_a_search_by_text_and_class_finds_what_has_both(store: Store):
    photo = made.photo()
    run, _ = add(store, photo, identities={"objects": "o@1/1", "signs": "s@1/1"})
    for analysis in run.analyses:
        store.finish_analysis(
            analysis.id, made.texts("EXIT") if analysis.analyzer == "signs" else made.objects(cat=0.9)
        )
    finished(store, analysed=made.texts("EXIT"))
    finished(store, analysed=made.objects(cat=0.9))
    assert [found.id for found in store.history(OWNER, text="exit", class_name="cat").runs] == [run.id]


def test_a_text_below_the_threshold_and_that_of_a_deleted_run_are_not_kept(store: Store):
    finished(store, analysed=made.texts("blurred", score=0.49))
    assert store.history(OWNER, text="blurred").runs == []
    run = finished(store, analysed=made.texts("EXIT"))
    with store.database.reading() as session:
        assert session.scalars(select(AnalysisText.text)).all() == ["exit"]
    store.delete_run(run.id)
    with store.database.reading() as session:
        assert session.scalars(select(AnalysisText.text)).all() == []


def test_a_text_as_long_as_a_book_is_stored_in_part(store: Store):
    run = finished(store, analysed=made.texts("first", "x" * TEXT_LENGTH, "last"))
    assert [found.id for found in store.history(OWNER, text="first").runs] == [run.id]
    assert store.history(OWNER, text="last").runs == []


def test_the_history_finds_runs_by_date(store: Store):
    runs = [finished(store, analysed=made.objects(cat=0.9)).id for _ in range(3)]
    days = [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3)]
    with store.database.writing() as session:
        for id, day in zip(runs, days, strict=True):
            session.get(Run, id).created_at = day
    found = store.history(OWNER, since=days[1], until=days[2])
    assert [run.id for run in found.runs] == [runs[1]]
    assert [run.id for run in store.history(OWNER, since=days[1]).runs] == runs[:0:-1]


# Batches, keys, webhooks


def test_a_batch_holds_its_runs_in_order_and_what_was_refused(store: Store):
    batch = store.add_batch(OWNER, retention_days=1)
    runs = [add(store, batch_id=batch.id)[0].id for _ in range(3)]
    store.add_refused_files(batch.id, [("notes.txt", "This file is not a photo.")])
    store.add_refused_files(batch.id, [("evil\x00.zip", "Archives inside archives are not opened.")])
    store.add_refused_files(batch.id, [])
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
    [kept] = deliveries_of(store, run.id)
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
    assert deliveries_of(store, run.id)[0].due_at == later
    assert store.deliveries.claim(now=now + timedelta(minutes=59)) == []
    store.deliveries.give_up(store.deliveries.claim(now=later)[0].id, "It answered 500.")
    [over] = deliveries_of(store, run.id)
    assert (over.due_at, over.error) == (None, "It answered 500.")
