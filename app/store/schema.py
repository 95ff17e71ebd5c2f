"""Bringing the database's tables up to date.

Every process calls `migrate` at its start: it takes one query if nothing is to be done, and a lock if something is.
Alembic is imported only then.
"""

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from app.store.database import BUSY_TIMEOUT, Database

FOLDER = Path(__file__).parent / "migrations"
# Any number that is not locked otherwise; the locks of photos are below 2**60.
MIGRATION_LOCK = 2**62


def head() -> str:
    """The newest revision: migrations are files named `<revision>_<what>.py`, in order."""
    return max(path.stem.split("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def migrate(database: Database) -> bool:
    """Bring the tables up to date; whether they were not. Raises StoreUnavailable if the database does not answer."""
    with database.reading() as session:
        if _revision(session.connection()) == head():
            return False
    if database.sqlite:
        _use_wal(database)
    with database.writing() as session:
        connection = session.connection()
        if not database.sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK})
        if _revision(connection) == head():
            return False
        upgrade(connection)
    return True


def upgrade(connection: Connection) -> None:
    """Run Alembic's missing migrations inside the connection's transaction."""
    from alembic import command

    command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection | None = None) -> Any:
    """Alembic's configuration for our migrations, without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _use_wal(database: Database) -> None:
    """Switch the file to write-ahead logging, for good. SQLite's own waiting for locks does not cover this step."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        connection = sqlite3.connect(str(database.url.database), timeout=BUSY_TIMEOUT)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        finally:
            connection.close()
