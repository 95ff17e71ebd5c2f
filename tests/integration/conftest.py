"""Real servers, and a store over each pair of database and blob store."""

import copy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from app.config.settings import Settings
from app.store import Store
from app.store.database import Database
from app.store.models import Base
from app.store.s3 import S3Blobs
from app.store.view_cache import ViewCache
from tests import servers

DATABASES = ("sqlite", "postgres")
STORES = ("sqlite+folder", "sqlite+s3", "postgres+folder", "postgres+s3")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL, for the whole session."""
    if servers.postgres_binaries() is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: apt-get install postgresql)")
    with servers.postgres() as url:
        yield url


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> str:
    """An empty database in the real PostgreSQL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_url.removesuffix("postgres") + name


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """A real HTTP API of S3, for the whole session."""
    with servers.s3() as url:
        yield url


@pytest.fixture(scope="session")
def s3_blobs(s3_url: str) -> S3Blobs:
    """A bucket of that S3."""
    settings = Settings(s3_bucket="test", s3_endpoint_url=s3_url, s3_access_key_id="test", s3_secret_access_key="test")
    blobs = S3Blobs(settings)
    blobs.client.create_bucket(Bucket="test")
    return blobs


@pytest.fixture
def s3_settings(s3_url: str, s3_blobs: S3Blobs, settings: Settings) -> Settings:
    """Settings that name an empty part of that bucket."""
    return replace(
        settings,
        s3_bucket=s3_blobs.bucket,
        s3_endpoint_url=s3_url,
        s3_prefix=uuid4().hex,
        s3_access_key_id="test",
        s3_secret_access_key="test",
    )


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with empty tables, to be copied."""
    settings = Settings(data_dir=str(tmp_path_factory.mktemp("sqlite")))
    store = Store.from_settings(settings)
    store.migrate()
    store.close()
    return settings.data_path / "detector.db"


@pytest.fixture(scope="session")
def migrated_postgres_url(postgres_url: str) -> str:
    """The real PostgreSQL's own database with its tables."""
    store = Store.from_settings(Settings(database_url=postgres_url))
    store.migrate()
    store.close()
    return postgres_url


@pytest.fixture
def store_settings(request: pytest.FixtureRequest, settings: Settings) -> Callable[[str], Settings]:
    """Settings of an empty store, tables made, by its kind, such as `postgres+s3`."""

    def build(kind: str) -> Settings:
        database, blobs = kind.split("+")
        built = request.getfixturevalue("s3_settings") if blobs == "s3" else settings
        if database == "postgres":
            url = request.getfixturevalue("migrated_postgres_url")
            with psycopg.connect(url) as connection:
                tables = ", ".join(Base.metadata.tables)
                connection.execute(f"TRUNCATE {tables}")
            return replace(built, database_url=url)
        built.data_path.mkdir()
        shutil.copy(request.getfixturevalue("migrated_sqlite"), built.data_path)
        return built

    return build


def opened(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Store]:
    """The store of these settings, with the session's S3 client, which is slow to make; closed at the end."""
    if settings.s3_bucket:
        blobs = copy.copy(request.getfixturevalue("s3_blobs"))
        blobs.prefix = f"{settings.s3_prefix}/"
        store = Store(Database(settings), blobs, ViewCache(settings.data_path / "cache", 1024**2))
    else:
        store = Store.from_settings(settings)
    yield store
    store.close()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, store_settings: Callable[[str], Settings]) -> Iterator[Store]:
    """An empty store, over every pair of database and blob store in turn."""
    yield from opened(request, store_settings(request.param))


@pytest.fixture(params=["sqlite+folder", "postgres+s3"])
def either_store(request: pytest.FixtureRequest, store_settings: Callable[[str], Settings]) -> Iterator[Store]:
    """An empty store over the two pairs that cover every part once: for the slower tests."""
    yield from opened(request, store_settings(request.param))
