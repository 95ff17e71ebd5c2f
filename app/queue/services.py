"""What the web process, the worker and the commands all hold: settings, store and queue."""

from dataclasses import dataclass

from app.config.settings import Settings
from app.queue.jobs import Jobs
from app.store import Store


@dataclass(frozen=True)
class Services:
    settings: Settings
    store: Store
    jobs: Jobs

    @classmethod
    def from_settings(cls, settings: Settings) -> "Services":
        """Connect to the database, the blobs and Redis that the settings name. Opens nothing before it is used."""
        return cls(settings, Store.from_settings(settings), Jobs.from_settings(settings))
