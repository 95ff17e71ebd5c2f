"""The tables: made once whoever starts first, equal to the models, and quick to check."""

import base64
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, inspect, text

from app.config.settings import Settings, SettingsError
from app.launch.redis_server import free_port
from app.store import Store, StoreUnavailable, schema
from app.store.database import database_url
from app.store.models import Base
from tests.conftest import ROOT
from tests.integration.conftest import DATABASES

MIGRATE = (
    "from app.config.settings import Settings; from app.store import Store; print(Store.from_settings({}).migrate())"
)


@pytest.fixture(params=DATABASES)
def empty(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings that name a database without tables."""
    if request.param == "sqlite":
        return settings
    return replace(settings, database_url=request.getfixturevalue("empty_postgres_url"))


def test_the_migrations_make_exactly_the_tables_of_the_models(empty: Settings):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store = Store.from_settings(empty)
    store.migrate()
    with store.database.writing() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    store.close()


def test_the_newest_migration_is_the_last_file_of_one_line():
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(schema.alembic_config())
    assert scripts.get_heads() == [schema.head()]


def test_the_migrations_can_be_undone(empty: Settings):
    from alembic import command

    store = Store.from_settings(empty)
    store.migrate()
    with store.database.writing() as session:
        command.downgrade(schema.alembic_config(session.connection()), "base")
    assert store.migrate()
    store.close()


def test_a_data_folder_of_the_first_release_opens_with_its_runs(empty: Settings):
    from alembic import command

    store = Store.from_settings(empty)
    with store.database.writing() as session:
        command.upgrade(schema.alembic_config(session.connection()), "0001")
        then = "2026-11-21 10:00:00.000000"
        photo, run, analysis = "a" * 64, "r" * 22, "n" * 22
        for statement in (
            f"INSERT INTO photos VALUES ('{photo}', '{'b' * 32}', 'jpeg', 64, 48, 9, '{then}')",
            f"INSERT INTO analyses (id, photo_sha256, analyzer, identity, state, attempts, created_at) "
            f"VALUES ('{analysis}', '{photo}', 'objects', 'm@0/1', 'done', 1, '{then}')",
            f"INSERT INTO runs (id, owner, name, photo_sha256, state, deduplicated, options, created_at) "
            f"VALUES ('{run}', 'v:x', 'a.jpg', '{photo}', 'done', false, '{{}}', '{then}')",
            f"INSERT INTO run_analyses VALUES ('{run}', '{analysis}')",
            f"INSERT INTO analysis_classes VALUES ('{analysis}', 'cat', 0.9)",
            f"INSERT INTO run_classes VALUES ('{run}', 'cat', 'v:x', '{then}', 0.9)",
        ):
            session.execute(text(statement))
    assert store.migrate()
    for search in ({}, {"class_name": "cat"}):
        assert [found.id for found in store.history("v:x", **search).runs] == [run]
    assert store.history("v:x", text="cat").runs == []
    assert [(found.analyzer, found.pool) for found in store.get_run(run).analyses] == [("objects", "")]
    with store.database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM analysis_classes")) == 1
    store.close()


def test_processes_that_start_together_migrate_once(empty: Settings):
    program = MIGRATE.format(f"Settings(data_dir={empty.data_dir!r}, database_url={empty.database_url!r})")
    command = [sys.executable, "-c", program]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=60)[0].strip() for process in started]
    assert sorted(answers) == ["False", "False", "True"]


def test_a_migration_that_breaks_in_the_middle_leaves_no_table(empty: Settings, monkeypatch):
    store = Store.from_settings(empty)

    def break_off(connection) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(schema, "upgrade", break_off)
        with pytest.raises(KeyboardInterrupt):
            store.migrate()
    assert store.migrate()
    with store.database.writing() as session:
        assert not inspect(session.connection()).has_table("half")
    store.close()


def test_a_second_start_does_not_even_import_alembic(settings: Settings):
    Store.from_settings(settings).migrate()
    program = (
        f"import sys; {MIGRATE.format(f'Settings(data_dir={settings.data_dir!r})')}; print('alembic' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]


def test_sqlite_writes_ahead_enforces_keys_and_waits(settings: Settings):
    store = Store.from_settings(settings)
    store.migrate()
    with store.database.writing() as session:
        values = {
            name: session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert values == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 20_000}
    store.close()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("postgres://user:p%40ss@host/db", "postgresql+psycopg"),
        ("postgresql://user@host/db?sslmode=require", "postgresql+psycopg"),
        ("postgresql+psycopg://host/db", "postgresql+psycopg"),
        ("sqlite:////tmp/x.db", "sqlite"),
        ("", "sqlite"),
    ],
)
def test_every_spelling_of_a_database_address_is_understood(given: str, name: str):
    url = database_url(Settings(database_url=given))
    assert url.drivername == name
    assert url.password in (None, "p@ss")


@pytest.mark.parametrize("given", ["mysql://host/db", "nonsense", "sqlite://", "sqlite:///:memory:", "postgres"])
def test_any_other_database_is_refused_in_one_sentence(given: str):
    with pytest.raises(SettingsError, match=r"^DATABASE_URL [^\n]*\.$"):
        database_url(Settings(database_url=given))


def test_a_postgres_that_is_away_is_one_line_that_names_it_without_its_password(settings: Settings):
    port = free_port()
    away = replace(settings, database_url=f"postgres://user:secret@127.0.0.1:{port}/db")
    with pytest.raises(StoreUnavailable) as caught:
        Store.from_settings(away).migrate()
    assert str(caught.value).startswith(f"The database 127.0.0.1:{port} cannot be used right now (")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert str(port) not in caught.value.message


def test_a_data_folder_that_cannot_be_made_is_one_line(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match=r"^The folder [^\n]*/file/data cannot be made .* Set DATA_DIR"):
        Store.from_settings(Settings(data_dir=str(tmp_path / "file" / "data"))).migrate()


def test_a_file_that_is_not_a_database_is_an_error_of_one_line(settings: Settings):
    settings.data_path.mkdir()
    (settings.data_path / "detector.db").write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        Store.from_settings(settings).migrate()


def test_a_connection_that_the_server_closed_is_replaced(postgres_url: str, settings: Settings):
    store = Store.from_settings(replace(settings, database_url=postgres_url))
    with store.database.reading() as session:
        backend = session.scalar(text("SELECT pg_backend_pid()"))
    other = Store.from_settings(replace(settings, database_url=postgres_url))
    with other.database.writing() as session:
        session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    with store.database.reading() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) != backend
    store.close()
    other.close()


def test_threads_and_a_forked_child_use_connections_of_their_own(either_store: Store):
    either_store.check()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            either_store.check()
            code = 0
        finally:
            os._exit(code)
    with ThreadPoolExecutor(8) as pool:
        for use in [pool.submit(either_store.check) for _ in range(100)]:
            use.result(30)
    assert os.waitpid(pid, 0)[1] == 0


def test_the_history_reads_its_index_in_order_and_never_sorts_or_scans(settings: Settings):
    store = Store.from_settings(settings)
    store.migrate()
    asked: list[tuple[str, tuple]] = []

    def note(_connection, _cursor, statement, parameters, *_) -> None:
        if statement.startswith("SELECT") and "LIMIT" in statement:
            asked.append((statement, parameters))

    event.listen(store.database.engine, "before_cursor_execute", note)
    then = datetime(2026, 1, 1, tzinfo=UTC)
    cursor = base64.urlsafe_b64encode(b"1767225600000000:x").decode()
    for search in ({}, {"text": "milk"}, {"class_name": "cat"}, {"class_name": "cat", "text": "milk"}):
        store.history("v:x", **search)
        store.history("v:x", **search, cursor=cursor, since=then, until=then)
    event.remove(store.database.engine, "before_cursor_execute", note)
    assert len(asked) == 8
    with store.database.reading() as session:
        for number, (statement, parameters) in enumerate(asked):
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row[3] for row in plan]
            assert f"INDEX ix_run{'s' if number < 4 else '_classes'}_history" in steps[0]
            assert all(step.startswith(("SEARCH", "CORRELATED")) for step in steps), steps
    store.close()
