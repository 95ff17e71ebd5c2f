"""What lasts: records (SQLAlchemy: SQLite, PostgreSQL) and blobs (a folder, S3). Knows results, not models."""

from app.store.errors import BlobMissing, StoreUnavailable
from app.store.history import Page
from app.store.retention import CleanupReport
from app.store.store import Store

__all__ = ["BlobMissing", "CleanupReport", "Page", "Store", "StoreUnavailable"]
