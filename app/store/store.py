"""The store: records in a database, photos and results as blobs."""

from app.config.settings import Settings
from app.store import schema
from app.store.batches import Batches
from app.store.blobs import BlobStore
from app.store.corrections import Corrections
from app.store.data_sets import DataSets
from app.store.database import Database
from app.store.deliveries import Deliveries
from app.store.folder_blobs import FolderBlobs
from app.store.gallery import Gallery
from app.store.history import History
from app.store.keys import ApiKeys
from app.store.retention import Retention
from app.store.runs import Runs
from app.store.trainings import Trainings
from app.store.versions import Versions
from app.store.view_cache import ViewCache


class Store(Runs, Corrections, Batches, History, Gallery, Retention):
    """Records and blobs.

    The records that its methods return are detached snapshots, with their photo and analyses loaded. Every method
    raises StoreUnavailable if the database or the blob store does not work.
    """

    @classmethod
    def from_settings(cls, settings: Settings) -> "Store":
        """The store of the settings. Opens nothing yet. Raises SettingsError for an unusable address."""
        views = ViewCache(settings.data_path / "cache", settings.view_cache_mb * 1024 * 1024)
        return cls(Database(settings), _blob_store(settings), views, settings.threshold)

    @property
    def keys(self) -> ApiKeys:
        """The API's keys."""
        return ApiKeys(self.database, self.blobs, self.views)

    @property
    def data_sets(self) -> DataSets:
        """Photos with their truth, to train on."""
        return DataSets(self.database, self.blobs, self.views)

    @property
    def versions(self) -> Versions:
        """Trained models."""
        return Versions(self.database, self.blobs, self.views)

    @property
    def trainings(self) -> Trainings:
        """Trainings of models."""
        return Trainings(self.database, self.blobs, self.views)

    @property
    def deliveries(self) -> Deliveries:
        """The webhooks to be delivered."""
        return Deliveries(self.database, self.blobs, self.views)

    def migrate(self) -> bool:
        """Bring the tables up to date, which several processes may do at once, and check the blob store.

        Returns whether the tables were not up to date. Raises StoreUnavailable with one line that says what is wrong.
        """
        changed = schema.migrate(self.database)
        self.blobs.check()
        return changed

    def check(self) -> None:
        """Check that database and blob store work. Raises StoreUnavailable with one line that says which does not."""
        self.database.check()
        self.blobs.check()

    def close(self) -> None:
        """Close unused connections."""
        self.database.engine.dispose()


def _blob_store(settings: Settings) -> BlobStore:
    """The blob store of the settings. Imports boto3 only if a bucket is set."""
    if settings.s3_bucket:
        from app.store.s3 import S3Blobs

        return S3Blobs(settings)
    return FolderBlobs(settings.data_path / "blobs")
