"""The store: records in a database, photos and results as blobs."""

from app.config.settings import Settings
from app.store import schema
from app.store.analyses import Analyses
from app.store.batches import Batches
from app.store.blobs import BlobStore
from app.store.database import Database
from app.store.deliveries import Deliveries
from app.store.folder_blobs import FolderBlobs
from app.store.history import History
from app.store.keys import ApiKeys
from app.store.retention import Retention
from app.store.runs import Runs
from app.store.view_cache import ViewCache


class Store(Runs, Analyses, Batches, History, Retention):
    """Everything that lasts.

    Records that its methods return are detached: they show what was true then, with their photo and analyses loaded.
    Every method raises StoreUnavailable when the database or the blob store does not work.
    """

    @classmethod
    def from_settings(cls, settings: Settings) -> "Store":
        """The store that the settings name. Opens nothing yet. Raises SettingsError on an unusable address."""
        views = ViewCache(settings.data_path / "cache", settings.view_cache_mb * 1024 * 1024)
        return cls(Database(settings), _blob_store(settings), views, settings.threshold)

    @property
    def keys(self) -> ApiKeys:
        """The API's keys."""
        return ApiKeys(self.database, self.blobs, self.views)

    @property
    def deliveries(self) -> Deliveries:
        """The webhooks to be delivered."""
        return Deliveries(self.database, self.blobs, self.views)

    def migrate(self) -> bool:
        """Make ready to serve: bring the tables up to date, whoever else does the same right now, and try the blobs.

        Returns whether the tables were not up to date. Raises StoreUnavailable with one line that says what is wrong.
        """
        changed = schema.migrate(self.database)
        self.blobs.check()
        return changed

    def check(self) -> None:
        """Prove that database and blob store work. Raises StoreUnavailable with one line that says which does not."""
        self.database.check()
        self.blobs.check()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self.database.engine.dispose()


def _blob_store(settings: Settings) -> BlobStore:
    """The blob store that the settings name. boto3 is imported only where a bucket is set."""
    if settings.s3_bucket:
        from app.store.s3 import S3Blobs

        return S3Blobs(settings)
    return FolderBlobs(settings.data_path / "blobs")
