"""Blobs in a bucket of Amazon S3 or of a store with the same API."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.config.settings import Settings
from app.store.blobs import checked_key
from app.store.errors import BlobMissing, StoreUnavailable

MISSING = ("404", "NoSuchKey", "NotFound")
# Error codes of wrong settings, and what to do.
REFUSALS = {
    "NoSuchBucket": "it does not exist",
    "404": "it does not exist",
    "403": "access is denied: check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
    "AccessDenied": "access is denied: check the rights of S3_ACCESS_KEY_ID",
    "InvalidAccessKeyId": "the key is not known: check S3_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret is wrong: check S3_SECRET_ACCESS_KEY",
}


class S3Blobs:
    """Blobs as objects, `<prefix>photos/<sha256>`, one request each. In S3 an object is whole or absent."""

    def __init__(self, settings: Settings):
        self.bucket = settings.s3_bucket
        self.prefix = f"{settings.s3_prefix.strip('/')}/" if settings.s3_prefix.strip("/") else ""
        self.where = f"The S3 bucket {self.bucket} at {settings.s3_endpoint_url or 'Amazon'}"
        # Many S3-compatible stores refuse boto3's newer checksums. Path-style addresses work with all of them.
        self._config = Config(
            connect_timeout=5,
            read_timeout=20,
            max_pool_connections=32,
            retries={"mode": "standard", "total_max_attempts": 3},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"} if settings.s3_endpoint_url else {},
        )
        self._session = boto3.session.Session(
            settings.s3_access_key_id or None, settings.s3_secret_access_key or None, region_name=settings.s3_region
        )
        self._endpoint = settings.s3_endpoint_url or None
        self._client = self._connect()
        self._checked = False

    @property
    def client(self) -> Any:
        """The boto3 client of this process: a forked child must not share its parent's connections."""
        if self._client[0] != os.getpid():
            self._client = self._connect()
        return self._client[1]

    def _connect(self) -> tuple[int, Any]:
        with self._translated_errors():
            return os.getpid(), self._session.client("s3", endpoint_url=self._endpoint, config=self._config)

    def put(self, key: str, data: bytes) -> None:
        with self._translated_errors():
            self.client.put_object(Bucket=self.bucket, Key=self._name(key), Body=data)

    def get(self, key: str) -> bytes:
        with self._translated_errors():
            data: bytes = self.client.get_object(Bucket=self.bucket, Key=self._name(key))["Body"].read()
            return data

    def delete(self, key: str) -> None:
        with self._translated_errors():
            self.client.delete_object(Bucket=self.bucket, Key=self._name(key))

    def exists(self, key: str) -> bool:
        try:
            with self._translated_errors():
                self.client.head_object(Bucket=self.bucket, Key=self._name(key))
        except BlobMissing:
            return False
        return True

    def keys(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        with self._translated_errors():
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}"):
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self.prefix), entry["LastModified"].astimezone(UTC)

    def discard_partial(self, before: datetime) -> int:
        return 0  # an interrupted put leaves nothing

    def check(self) -> None:
        try:
            self.client.head_bucket(Bucket=self.bucket)
            if not self._checked:  # once in a process: /readyz calls this every few seconds
                probe = self._name("checks/start")
                self.client.put_object(Bucket=self.bucket, Key=probe, Body=b"")
                self.client.delete_object(Bucket=self.bucket, Key=probe)
                self._checked = True
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise StoreUnavailable(f"{self.where} cannot be used: {REFUSALS.get(code, error)}.") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"{self.where} cannot be used: {error}.") from error

    def _name(self, key: str) -> str:
        return self.prefix + checked_key(key)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in MISSING:
                raise BlobMissing from error
            raise StoreUnavailable(f"{self.where} refused: {REFUSALS.get(code, code)}.") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"{self.where} cannot be reached.") from error
