"""Settings, store and queue, as the web process, the worker and the commands use them."""

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
        """The services of the settings. Connections are opened on first use."""
        return cls(settings, Store.from_settings(settings), Jobs.from_settings(settings))
