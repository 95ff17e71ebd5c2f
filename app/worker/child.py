"""The process that holds the models and works the queue, one analysis at a time.

It runs native code that may hang, crash or use up all memory, so it does not monitor itself. It reports its progress
through a pipe, and the supervisor replaces it when necessary.
"""

import logging
import os
import signal
from importlib import import_module

from app.config.settings import Settings
from app.queue.services import Services
from app.system.process import die_first, die_with_parent
from app.vision.analyses.offer import Offer
from app.worker.messages import Message, ModelsLoaded, to_line
from app.worker.rq_worker import QueueConsumer
from app.worker.tasks import AnalysisTask

log = logging.getLogger(__name__)

LOADER = "app.vision.analyses.offer:offer"


def main(status_fd: int, loader: str) -> None:
    """Load the models, report them, and work until SIGTERM; the current analysis is finished first."""
    die_with_parent(signal.SIGKILL)
    die_first()
    settings = Settings.from_env()
    services = Services.from_settings(settings)
    pipe = os.fdopen(status_fd, "w", buffering=1)

    def report(message: Message) -> None:
        pipe.write(to_line(message))

    offer = _load(loader, settings)
    report(ModelsLoaded(tuple(analyzer.card for analyzer in offer.analyzers.values()), offer.missing))
    QueueConsumer(services.jobs, AnalysisTask(services, offer.analyzers, report)).run()


def _load(loader: str, settings: Settings) -> Offer:
    """Call `module:function` with the settings, and load every analyzer that it offers."""
    module, _, name = loader.partition(":")
    offer: Offer = getattr(import_module(module), name)(settings)
    offer.load(settings.device)
    for analyzer in offer.analyzers.values():
        log.info("%s is ready: %s", analyzer.card.analyzer, analyzer.card.title)
    return offer
