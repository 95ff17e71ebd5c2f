"""Corrections in the store, over both databases and both blob stores."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from app.errors import CorrectedMeanwhile, NotFound
from app.store import Store
from app.store.models import Run
from app.vision.analyses.objects.correction import Corrected
from app.vision.analyses.objects.result import Instances
from tests.made import finished, objects
from tests.store_audit import assert_nothing_is_left_over


def begun(store: Store, run: Run) -> Corrected:
    answer = store.results(run)["objects"].result
    assert isinstance(answer, Instances)
    return Corrected.begun(answer, 0.5)


def correct(store: Store, run: Run, corrected: Corrected, version: int) -> int:
    return store.correct(run, corrected, version=version, author="v:visitor", changes={"accepted": 1}).version


def test_a_correction_comes_back_as_it_was_and_the_answer_stays(store: Store):
    run = finished(store, analysed=objects(cat=0.9, dog=0.3))
    before = store.results(run)["objects"].to_dict()
    renamed = begun(store, run)
    renamed = replace(renamed, objects=(replace(renamed.objects[0], name="lynx", accepted=True, mask=None),))
    assert correct(store, run, renamed, 0) == 1
    run = store.get_run(run.id)
    assert run.correction == 1
    assert store.corrected(run.id) == renamed
    assert store.results(run)["objects"].to_dict() == before == store.results_from(run, "model")["objects"].to_dict()
    assert store.results_from(run)["objects"].result.names == ["lynx"]
    assert [r.id for r in store.history(run.owner, class_name="lynx").runs] == [run.id]
    assert store.history(run.owner, class_name="cat").runs == []


def test_every_version_says_who_and_when_and_only_the_newest_is_kept_whole(store: Store):
    run = finished(store)
    for version in range(3):
        correct(store, run, replace(begun(store, run), checked=version == 2), version)
    versions = store.corrections(run.id)
    assert [(v.version, v.author, v.checked, v.changes) for v in versions] == [
        (n, "v:visitor", n == 3, {"accepted": 1}) for n in (1, 2, 3)
    ]
    assert versions[0].created_at <= versions[2].created_at
    assert store.corrected(run.id).checked


def test_of_two_corrections_at_once_one_is_stored_and_the_other_told(either_store: Store):
    run = finished(either_store)
    corrected = begun(either_store, run)

    def try_to(place: int) -> int:
        [first, *_] = corrected.objects
        mine = replace(corrected, objects=(replace(first, name=f"cat {place}"),))
        try:
            return correct(either_store, run, mine, 0)
        except CorrectedMeanwhile:
            return 0

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(try_to, range(4))) == [0, 0, 0, 1]
    assert len(either_store.corrections(run.id)) == 1


def test_the_same_correction_once_more_changes_nothing(either_store: Store):
    run = finished(either_store)
    corrected = begun(either_store, run)
    assert [correct(either_store, run, corrected, 0) for _ in range(2)] == [1, 1]
    assert correct(either_store, run, corrected, 1) == 2
    with pytest.raises(CorrectedMeanwhile):
        correct(either_store, run, corrected, 0)
    assert len(either_store.corrections(run.id)) == 2


def test_a_correction_goes_with_its_run(either_store: Store):
    run = finished(either_store)
    correct(either_store, run, begun(either_store, run), 0)
    either_store.delete_run(run.id)
    assert either_store.corrections(run.id) == []
    with pytest.raises(NotFound):
        correct(either_store, run, Corrected((48, 64), ()), 1)
    assert_nothing_is_left_over(either_store)


def test_what_nobody_has_checked_waits_with_its_doubt(store: Store):
    done, begun_with, other = finished(store), finished(store), finished(store, owner="v:other")
    correct(store, done, begun(store, done).checked_now(), 0)
    correct(store, begun_with, begun(store, begun_with), 0)
    [waiting] = store.unchecked(done.owner)
    assert waiting.id == begun_with.id
    assert 0 < waiting.doubt < 1
    assert {run.id for run in store.unchecked(done.owner, also=done.id)} == {done.id, begun_with.id}
    assert [run.id for run in store.runs([other.id, "missing", done.id])] == [other.id, done.id]
    correct(store, done, begun(store, done), 1)
    assert len(store.unchecked(done.owner)) == 2
