"""Any order of the store's steps keeps it consistent: hypothesis looks for one that does not."""

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from app.config.settings import Settings
from app.errors import NotFound
from app.store import Store
from app.store.states import FINISHED, State
from tests import made
from tests.deliveries import deliveries_of
from tests.store_audit import assert_nothing_is_left_over, audit

PHOTOS = [made.photo(b"one"), made.photo(b"two")]
ASKED = [{"objects": "o@1/1"}, {"faces": "f@1/1"}, {"objects": "o@1/1", "faces": "f@1/1"}, {"objects": "o@2/1"}]
OWNER = "v:visitor"


class Machine(RuleBasedStateMachine):
    """Two photos and up to two analyses a run, in the hands of workers and visitors who do what they like."""

    runs = Bundle("runs")
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        shutil.copy(self.template, self.folder)
        self.store = Store.from_settings(Settings(data_dir=self.folder))
        self.ended: dict[str, str] = {}
        self.kept: set[str] = set()

    @rule(target=runs, photo=st.sampled_from(PHOTOS), asked=st.sampled_from(ASKED))
    def add(self, photo, asked):
        pending = {analysis.id for analysis in self.store.pending_analyses()}
        run, queued = self.store.add_run(photo, name="a", identities=asked, owner=OWNER, webhook="https://example.com/")
        assert {analysis.analyzer: analysis.identity for analysis in run.analyses} == asked
        assert run.deduplicated == (not queued)
        assert not pending & set(queued)
        self.kept.add(run.id)
        return run.id, [analysis.id for analysis in run.analyses]

    @rule(run=runs, which=st.integers(0, 1))
    def start(self, run, which):
        id = run[1][which % len(run[1])]
        before = self.store.get_analysis(id)
        started = self.store.start_analysis(id)
        assert (started is not None) == (before is not None and before.state in (State.QUEUED, State.RUNNING))

    @rule(run=runs, which=st.integers(0, 1))
    def finish(self, run, which):
        id = run[1][which % len(run[1])]
        self.store.finish_analysis(id, made.objects(cat=0.9))
        analysis = self.store.get_analysis(id)
        assert analysis is None or analysis.state == State.DONE

    @rule(run=runs, which=st.integers(0, 1))
    def fail(self, run, which):
        self.store.fail_analysis(run[1][which % len(run[1])], "No.")

    @rule(run=runs, which=st.integers(0, 1))
    def requeue(self, run, which):
        analysis = self.store.get_analysis(run[1][which % len(run[1])])
        if analysis is not None and analysis.state == State.RUNNING:
            assert self.store.requeue_analysis(analysis.id)

    @rule(run=runs)
    def cancel(self, run):
        try:
            self.store.cancel_run(run[0])
        except NotFound:
            assert run[0] not in self.kept
        else:
            assert self.store.get_run(run[0]).state in (State.CANCELLED, self.ended.get(run[0], State.CANCELLED))

    @rule(run=consumes(runs))
    def delete(self, run):
        self.store.delete_run(run[0])
        self.kept.discard(run[0])
        with pytest.raises(NotFound):
            self.store.get_run(run[0])

    @rule()
    def clean(self):
        self.store.cleanup(grace=timedelta(days=-1))

    @invariant()
    def consistent(self):
        audit(self.store)
        history = self.store.history(OWNER, limit=200).runs
        assert {run.id for run in history} == self.kept
        for run in history:
            if run.id in self.ended:
                assert run.state == self.ended[run.id], "an end is final"
            if run.state in FINISHED:
                self.ended[run.id] = run.state
            assert len(deliveries_of(self.store, run.id)) == (run.state in FINISHED)
        with_cats = {run.id for run in history if any(analysis.state == State.DONE for analysis in run.analyses)}
        assert {run.id for run in self.store.history(OWNER, class_name="cat", limit=200).runs} == with_cats

    def teardown(self) -> None:
        assert_nothing_is_left_over(self.store)
        self.store.close()
        shutil.rmtree(self.folder)


def test_any_order_of_steps_keeps_the_store_consistent(migrated_sqlite: Path):
    class OnThisTemplate(Machine):
        template = migrated_sqlite

    quick = effort(max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(OnThisTemplate, settings=quick)
