"""How many statements and connections reading takes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from app.config.settings import ROOT, Settings
from app.intake import read_photo
from app.store import Store
from app.store.models import Run
from app.store.states import State
from tests.unit.api_service import empty_store
from tests.unit.photos import jpeg

_BOUNDS = re.compile("BEGIN|COMMIT|ROLLBACK")
IDENTITIES = {"objects": "a", "faces": "b"}


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = empty_store(replace(settings, threads=9))
    yield store
    store.close()


def add(store: Store, width: int = 64, batch_id: str | None = None) -> Run:
    photo = read_photo(jpeg(width), max_bytes=10**6, max_pixels=10**6)
    return store.add_run(photo, name="a.jpg", identities=IDENTITIES, owner="v:x", batch_id=batch_id)[0]


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """The statements that SQLite gets in the block, without the beginnings and ends of transactions."""
    sent: list[str] = []
    with closing(store.database.engine.raw_connection()) as connection:  # The only one that is open.
        driver: Any = connection.driver_connection
    driver.set_trace_callback(lambda statement: sent.append(statement) if not _BOUNDS.match(statement) else None)
    yield sent
    driver.set_trace_callback(None)


def test_a_run_is_read_in_one_statement_with_its_photo_and_analyses(store: Store) -> None:
    id = add(store).id
    with statements(store) as sent:
        run = store.get_run(id)
        assert (run.photo.width, [analysis.analyzer for analysis in run.analyses]) == (64, ["faces", "objects"])
        assert run.analyses[0].photo is run.photo
    assert len(sent) == 1


def test_the_runs_of_a_batch_are_read_in_one_statement_in_the_order_in_which_they_came(store: Store) -> None:
    batch = store.add_batch("v:x")
    added = [add(store, width, batch.id).id for width in (64, 65, 66)]
    with statements(store) as sent:
        runs = store.batch_runs(batch.id)
    assert [run.id for run in runs] == added
    assert [len(run.analyses) for run in runs] == [2, 2, 2]
    assert len(sent) == 1


def test_a_page_of_the_history_is_read_in_two_statements(store: Store) -> None:
    added = [add(store, width).id for width in (64, 65, 66)]
    with statements(store) as sent:
        page = store.history("v:x", limit=2)
    assert [run.id for run in page.runs] == added[:0:-1]
    assert len(sent) == 2


def test_a_new_run_takes_few_statements(store: Store) -> None:
    with statements(store) as sent:
        assert add(store).state == State.QUEUED
    assert len(sent) == 8  # A row of its two analyses, and of what links them, counts as a statement.


def test_as_many_connections_stay_open_as_there_are_threads(store: Store) -> None:
    assert store.database.engine.pool.size() == 9
    opened: list[object] = []
    event.listen(store.database.engine, "connect", lambda connection, _: opened.append(connection))
    for _ in range(2):
        held = [store.database.engine.connect() for _ in range(9)]
        for connection in held:
            connection.close()
    assert len(opened) <= 9


def test_a_run_can_be_the_first_thing_that_a_process_reads(store: Store, settings: Settings) -> None:
    run = add(store)
    code = (
        "import sys; from app.config.settings import Settings; from app.store import Store; "
        "store = Store.from_settings(Settings(data_dir=sys.argv[1], secret_key='a key for the tests')); "
        "print(store.get_run(sys.argv[2]).analyses[0].photo.width)"
    )
    command = [sys.executable, "-c", code, str(settings.data_path), run.id]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "64\n"
