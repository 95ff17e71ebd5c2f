"""The database: one engine, transactions for writing and for reading, and a lock for each photo.

SQLite runs in WAL mode, and every writing transaction takes the write lock at its start, so that the web process and
several workers wait for each other instead of failing. PostgreSQL runs at READ COMMITTED, with an advisory lock for
each photo.
"""

import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVarTuple, cast

from sqlalchemy import Connection, Engine, Pool, PoolProxiedConnection, Row, Select, Table, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from app.config.settings import Settings, SettingsError
from app.store.errors import StoreUnavailable
from app.store.models import Base
from app.store.prepared import PreparedInsert, PreparedSelect, Statement

Ts = TypeVarTuple("Ts")
# Seconds that a SQLite writer waits for another one, and that PostgreSQL has to accept a connection.
BUSY_TIMEOUT = 20
CONNECT_TIMEOUT = 5
# Errors of our own statements, not of an unhealthy database.
MISTAKES = (DataError, IntegrityError, ProgrammingError)
# Besides one connection for each thread: opening one, with its PRAGMAs, takes longer than a query.
SQLITE_POOL = {"max_overflow": 30, "pool_timeout": BUSY_TIMEOUT}
# Small PostgreSQL plans allow 20 connections for all processes together.
POSTGRES_POOL = {"pool_size": 4, "max_overflow": 4, "pool_timeout": 20, "pool_pre_ping": True, "pool_recycle": 1800}


class Database:
    """Transactions on the database that the settings name. Opens nothing before the first one."""

    def __init__(self, settings: Settings):
        self.url = database_url(settings)
        self.engine = _engine(self.url, settings.threads)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self._writing = sessionmaker(self.engine, expire_on_commit=False)
        self._read_engine = self.engine.execution_options(reading=True)
        self._reading = sessionmaker(self._read_engine, expire_on_commit=False)
        self._selects: dict[Statement, PreparedSelect] = {}
        self._inserts: dict[type[Base], PreparedInsert] = {}
        self._inherited: list[Pool] = []
        _call_after_fork(self._leave_connections_to_parent)

    @contextmanager
    def writing(self, photo_sha256: str | None = None) -> Iterator[Session]:
        """A transaction that may write; commits at the end, rolls back on an exception.

        photo_sha256: wait until nobody else holds the lock of this photo. All code that changes a photo's run or
        analysis, or deletes its blob, holds it; so these steps never interleave, and no two of them can deadlock.
        """
        with self._translated_errors(), self._writing.begin() as session:
            session.connection()  # begins now, not at the first statement: SQLite's write lock is held from here on
            if photo_sha256 is not None:
                self.lock(session, [photo_sha256])
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads; it does not wait for writers."""
        with self._translated_errors(), self._reading.begin() as session:
            yield session

    def rows(self, statement: Select[*Ts]) -> Sequence[Row[*Ts]]:
        """All rows of one statement, in a transaction of its own and without the ORM, which takes much longer."""
        with self._translated_errors(), self._read_engine.begin() as connection:
            return connection.execute(statement).all()

    def read(self, statement: Statement, **parameters: Any) -> list[list[Any]]:
        """All rows of a statement that is made once, by itself and without SQLAlchemy, which takes ten times as long.

        parameters: of its `bindparam`s.
        """
        with self._translated_errors(), closing(self.engine.raw_connection()) as connection:
            return self._read(connection, statement, parameters)

    def read_in(self, transaction: Connection, statement: Statement, **parameters: Any) -> list[list[Any]]:
        """The same in a transaction."""
        return self._read(transaction.connection, statement, parameters)

    def _read(self, connection: PoolProxiedConnection, statement: Statement, parameters: Any) -> list[list[Any]]:
        prepared = self._selects.get(statement)
        if prepared is None:
            prepared = self._selects[statement] = PreparedSelect(statement, self.engine.dialect)
        driver: Any = self.engine.dialect.loaded_dbapi
        try:
            return prepared.rows(connection.cursor(), parameters)
        except driver.Error as error:
            raise DBAPIError.instance(prepared.text, None, error, driver.Error, dialect=self.engine.dialect) from error

    def lock(self, session: Session, photos: Iterable[str]) -> None:
        """Take the locks of several photos, always in the same order. SQLite's write lock covers them all."""
        if not self.sqlite:
            for number in sorted(int(sha256[:15], 16) for sha256 in set(photos)):
                session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})

    def insert_new(self, transaction: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert the rows that violate no unique key. Existing rows stay as they are."""
        if rows:
            prepared = self._insert(table)
            transaction.exec_driver_sql(prepared.text, [prepared.row(row) for row in rows])

    def _insert(self, table: type[Base]) -> PreparedInsert:
        if table not in self._inserts:
            dialect = import_module(f"sqlalchemy.dialects.{self.engine.dialect.name}")
            statement = dialect.insert(table).on_conflict_do_nothing()
            self._inserts[table] = PreparedInsert(statement, cast(Table, table.__table__), self.engine.dialect)
        return self._inserts[table]

    def check(self) -> None:
        """Check that the database answers. Raises StoreUnavailable with one line."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def _leave_connections_to_parent(self) -> None:
        """In a forked child: do not use the parent's connections, nor close them, as garbage collection would."""
        self._inherited.append(self.engine.pool)
        self.engine.dispose(close=False)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (DatabaseError, InterfaceError, PoolTimeout) as error:
            if isinstance(error, MISTAKES):
                raise
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            where = self.url.database if self.sqlite else f"{self.url.host}:{self.url.port or 5432}"
            raise StoreUnavailable(f"The database {where} cannot be used right now ({cause}).") from error


def database_url(settings: Settings) -> URL:
    """SQLAlchemy's address of the database. Raises SettingsError where it is neither SQLite nor PostgreSQL."""
    if not settings.database_url:
        return URL.create("sqlite", database=str(settings.data_path / "detector.db"))
    try:
        url = make_url(settings.database_url)
    except ArgumentError as error:
        raise SettingsError(
            "DATABASE_URL is not a database address, such as postgres://user:pass@host/name."
        ) from error
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    raise SettingsError("DATABASE_URL must name a PostgreSQL database or a SQLite file.")


def _engine(url: URL, threads: int) -> Engine:
    """The engine of a process with this number of threads."""
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": BUSY_TIMEOUT, "check_same_thread": False}
        engine = create_engine(url, connect_args=arguments, pool_size=threads, **SQLITE_POOL)
        event.listen(engine, "do_connect", lambda *_: _make_folder(Path(str(url.database)).parent))
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(url, connect_args={"connect_timeout": CONNECT_TIMEOUT}, **POSTGRES_POOL)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The folder {folder} cannot be made ({error.strerror}). Set DATA_DIR to one that can."
        raise StoreUnavailable(message) from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # _begin_sqlite sends BEGIN
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")
    # SQLite's own knows only the letters of English.
    connection.create_function("lower", 1, lambda text: text and str(text).lower(), deterministic=True)


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _call_after_fork(method: Callable[[], None]) -> None:
    """Call a bound method in every forked child, for as long as its object exists."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        current = reference()
        if current is not None:
            current()

    os.register_at_fork(after_in_child=call)
