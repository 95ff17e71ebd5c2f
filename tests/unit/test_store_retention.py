"""Retention: on a SQLite that lacks what newer ones have, with views of photos, with files that are not ours."""

import errno
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from app.config.settings import Settings
from app.store import Store
from app.store.errors import StoreUnavailable
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


def test_rendered_views_go_with_their_photo_and_not_before(store: Store) -> None:
    photo = made.photo()
    for days in (1, 3):
        store.add_run(photo, name="a.jpg", identities=made.IDENTITIES, owner="v:me", retention_days=days)
    store.views.put(photo.sha256, "a", b"picture")
    for day, kept in ((2, b"picture"), (4, None)):
        store.cleanup(datetime.now(UTC) + timedelta(days=day))
        assert store.views.get(photo.sha256, "a") == kept


def test_a_file_that_is_not_ours_stops_no_cleanup(store: Store, settings: Settings) -> None:
    add(store, retention_days=1)
    stray = settings.data_path / "blobs" / "photos" / ".DS_Store"
    stray.write_bytes(b"")
    assert store.cleanup(datetime.now(UTC) + timedelta(days=2)).photos == 1
    assert stray.exists()


def test_a_folder_that_cannot_be_listed_is_said_in_plain_words(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store)

    def fail(*args: object, **options: object) -> object:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "stat", fail)
    with pytest.raises(StoreUnavailable, match="cannot be used: Input/output error"):
        list(store.blobs.keys("photos/"))
