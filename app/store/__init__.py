"""Records (SQLAlchemy: SQLite, PostgreSQL) and blobs (a folder, S3)."""

from app.store.errors import BlobMissing, StoreUnavailable
from app.store.history import Page
from app.store.retention import CleanupReport
from app.store.store import Store

__all__ = ["BlobMissing", "CleanupReport", "Page", "Store", "StoreUnavailable"]
