"""What lasts: records (SQLAlchemy: SQLite, PostgreSQL) and blobs (a folder, S3). Knows results, not models."""

from app.store.errors import BlobMissing, StoreUnavailable
from app.store.store import Store

__all__ = ["BlobMissing", "Store", "StoreUnavailable"]
