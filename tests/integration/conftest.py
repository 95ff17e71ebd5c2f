"""Real servers, and a store over each pair of database and blob store."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from app.settings import Settings
from app.store import Store
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
    import psycopg

    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_url.removesuffix("postgres") + name


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """A real HTTP API of S3, for the whole session."""
    with servers.s3() as url:
        yield url


@pytest.fixture
def s3_settings(s3_url: str, settings: Settings) -> Settings:
    """Settings that name an empty bucket of that S3."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    bucket = f"test-{uuid4().hex}"
    boto3.client("s3", endpoint_url=s3_url, **keys).create_bucket(Bucket=bucket)
    return replace(
        settings,
        s3_bucket=bucket,
        s3_endpoint_url=s3_url,
        s3_prefix="detector/",
        s3_access_key_id="test",
        s3_secret_access_key="test",
    )


@pytest.fixture
def store_settings(request: pytest.FixtureRequest, settings: Settings) -> Callable[[str], Settings]:
    """Settings of an empty store by its kind, such as `postgres+s3`."""

    def build(kind: str) -> Settings:
        database, blobs = kind.split("+")
        built = request.getfixturevalue("s3_settings") if blobs == "s3" else settings
        if database == "postgres":
            built = replace(built, database_url=request.getfixturevalue("empty_postgres_url"))
        return built

    return build


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, store_settings: Callable[[str], Settings]) -> Iterator[Store]:
    """An empty store, over every pair of database and blob store in turn."""
    yield from migrated(store_settings(request.param))


@pytest.fixture(params=["sqlite+folder", "postgres+s3"])
def either_store(request: pytest.FixtureRequest, store_settings: Callable[[str], Settings]) -> Iterator[Store]:
    """An empty store over the two pairs that cover every part once: for the slower tests."""
    yield from migrated(store_settings(request.param))


def migrated(settings: Settings) -> Iterator[Store]:
    """A store with its tables; its connections are closed at the end."""
    store = Store.from_settings(settings)
    store.migrate()
    yield store
    store.close()
