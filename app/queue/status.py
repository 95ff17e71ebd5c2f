"""What the queue and its workers are like at one moment."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.config.analyses import ANALYSES
from app.errors import AnalysisUnavailable, UnknownAnalysis
from app.vision.results import ModelCard


@dataclass(frozen=True)
class WorkerStatus:
    """The state of a worker. ready: its models are loaded; job: the id of its current analysis."""

    ready: bool
    job: str | None


@dataclass(frozen=True)
class Progress:
    """How far a run is that has not finished.

    position: in the queue, of its last queued analysis, 1 being next; None when none is queued.
    eta: seconds until it is done, estimated from measured durations; None before the first measurement.
    workers: every worker that is alive, by name.
    """

    position: int | None
    eta: float | None
    workers: dict[str, WorkerStatus]


@dataclass(frozen=True)
class QueueStatus:
    """What the workers offer, and how much waits.

    workers: every worker that is alive, by name; cards: the announced models by analyzer; missing: the step that adds
    each analyzer that no worker serves; waiting: analyses in the queue.
    """

    workers: dict[str, WorkerStatus]
    cards: dict[str, ModelCard]
    missing: dict[str, str]
    waiting: int

    @classmethod
    def of(cls, workers: dict[str, WorkerStatus], offer: Mapping[bytes, bytes], waiting: int) -> "QueueStatus":
        """From what Redis holds. offer: `constants.OFFER`."""
        announced = {name.decode(): json.loads(card_or_step) for name, card_or_step in offer.items()}
        cards = {name: ModelCard.from_dict(card) for name, card in announced.items() if isinstance(card, dict)}
        missing = {name: step for name, step in announced.items() if isinstance(step, str)}
        return cls(workers, cards, missing, waiting)

    @property
    def ready(self) -> int:
        """Number of live workers whose models are loaded."""
        return sum(worker.ready for worker in self.workers.values())

    def identities(self, analyses: Sequence[str]) -> dict[str, str]:
        """The identity of the model that serves each analysis.

        Raises:
            UnknownAnalysis: an analysis does not exist, or none was named. AnalysisUnavailable: no worker offers one.
        """
        unknown = [name for name in analyses if name not in ANALYSES]
        if unknown or not analyses:
            raise UnknownAnalysis(f"An analysis is one of {', '.join(ANALYSES)}.")
        for name in analyses:
            if name not in self.cards:
                raise AnalysisUnavailable(self.missing.get(name), headers={"Retry-After": "5"})
        return {name: self.cards[name].identity for name in analyses}
