"""The store: records in a database, photos and results as blobs."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from app.settings import Settings
from app.store import schema
from app.store.analyses import Analyses
from app.store.batches import Batches
from app.store.blobs import blob_store
from app.store.database import Database
from app.store.deliveries import Deliveries
from app.store.history import History
from app.store.keys import ApiKeys
from app.store.retention import Retention
from app.store.runs import Runs


class Store(Runs, Analyses, Batches, History, Retention):
    """Everything that lasts.

    Records that its methods return are detached: they show what was true then, with their photo and analyses loaded.
    Every method raises StoreUnavailable when the database or the blob store does not work.
    """

    @classmethod
    def from_settings(cls, settings: Settings) -> "Store":
        """The store that the settings name. Opens nothing yet. Raises SettingsError on an unusable address."""
        return cls(Database(settings), blob_store(settings), settings.threshold)

    @property
    def keys(self) -> ApiKeys:
        """The API's keys."""
        return ApiKeys(self.database, self.blobs)

    @property
    def deliveries(self) -> Deliveries:
        """The webhooks to be delivered."""
        return Deliveries(self.database, self.blobs)

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

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads, and waits for no writer; for what the methods do not offer."""
        with self.database.reading() as session:
            yield session

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction that may write; for what the methods do not offer."""
        with self.database.writing() as session:
            yield session
