"""API keys, stored as the SHA-256 of their secrets: nobody can use them by reading the database."""

import hashlib
import secrets
from collections.abc import Sequence

from sqlalchemy import select

from app.errors import NotFound
from app.store.base import StorePart, storable
from app.store.models import ApiKey, utcnow

PREFIX = "fd_"


class ApiKeys(StorePart):
    """The API's keys. A key's runs have the owner `k:<id>`."""

    def create(self, name: str) -> tuple[ApiKey, str]:
        """A new key, and its secret, which is shown only now."""
        secret = PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(name=storable(name, 80), hash=hash_secret(secret))
        with self.database.writing() as session:
            session.add(key)
        return key, secret

    def find(self, secret: str) -> ApiKey | None:
        """The key with this secret; None if there is none or it was revoked."""
        with self.database.reading() as session:
            query = select(ApiKey).where(ApiKey.hash == hash_secret(secret), ApiKey.revoked_at.is_(None))
            return session.scalar(query)

    def revoke(self, id: str) -> None:
        """Revoke a key. Raises NotFound."""
        with self.database.writing() as session:
            key = session.get(ApiKey, id)
            if key is None:
                raise NotFound("There is no such API key.")
            key.revoked_at = key.revoked_at or utcnow()

    def all(self) -> Sequence[ApiKey]:
        """Every key, oldest first, revoked ones too."""
        with self.database.reading() as session:
            return session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)).all()


def hash_secret(secret: str) -> str:
    """What is stored of a secret. 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
