"""Retention on a SQLite that lacks what newer ones have."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from app.settings import Settings
from app.store import Store
from app.store.models import Base
from tests import made


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A store on SQLite 3.34, which knows no RETURNING."""
    store = Store.from_settings(settings)
    settings.data_path.mkdir()
    engine = store.database.engine
    Base.metadata.create_all(engine)
    engine.dialect.insert_returning = engine.dialect.update_returning = engine.dialect.delete_returning = False

    @event.listens_for(engine, "before_cursor_execute")
    def refuse(connection: object, cursor: object, statement: str, *rest: object) -> None:
        assert "RETURNING" not in statement

    yield store
    store.close()


def add(store: Store, **options: float) -> str:
    run, _ = store.add_run(made.photo(), name="a.jpg", identities=made.IDENTITIES, owner="v:me", **options)
    store.start_analysis(run.analyses[0].id)
    store.finish_analysis(run.analyses[0].id, made.objects(cat=0.9))
    return run.id


def test_what_has_expired_is_deleted_on_an_old_sqlite_too(store: Store) -> None:
    add(store, retention_days=1)
    kept = add(store)
    report = store.cleanup(datetime.now(UTC) + timedelta(days=2))
    assert (report.runs, report.analyses, report.photos) == (1, 1, 1)
    assert [len(list(store.blobs.keys(kind))) for kind in ("photos/", "results/")] == [1, 1]
    store.delete_run(kept)
    assert [len(list(store.blobs.keys(kind))) for kind in ("photos/", "results/")] == [0, 0]
