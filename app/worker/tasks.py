"""The task of the queue: one analysis of one photo, by a model that is already loaded."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import redis

from app.errors import PublicError
from app.intake import decode
from app.queue import constants
from app.queue.services import Services
from app.store import BlobMissing, StoreUnavailable
from app.store.models import Analysis
from app.vision.analyses.analysis import Analyzer
from app.worker.messages import AnalysisEnded, AnalysisStarted, Message

log = logging.getLogger(__name__)

# Pixels. Decoding a larger photo may take more memory than its analysis: up to seven bytes per pixel.
LARGE = 20_000_000

OUT_OF_MEMORY = "This photo needs more memory than the server has."
BROKEN = "The analysis of this photo failed. The log of the worker says why."
GONE = "The photo is no longer stored."
STORAGE = "The storage of photos and results did not work. Please send the photo again later."
NOT_SERVED = "The worker no longer serves this analysis. Please send the photo again."


@dataclass(frozen=True)
class AnalysisTask:
    """Runs analyses with the models of this process.

    analyzers: loaded, by analysis; report: passes a message to the supervisor.
    """

    services: Services
    analyzers: Mapping[str, Analyzer]
    report: Callable[[Message], None]

    def __call__(self, analysis_id: str) -> None:
        """Run an analysis and store its result. Safe to repeat: does nothing if it is done or deleted.

        Raises:
            StoreUnavailable: the analysis is left as it is, for `app.worker.recovery` to requeue.
        """
        self.report(AnalysisStarted(analysis_id))
        try:
            self._run(analysis_id)
        finally:
            self.report(AnalysisEnded())

    def _run(self, analysis_id: str) -> None:
        store = self.services.store
        analysis = store.start_analysis(analysis_id)
        if analysis is None:
            return
        self._publish(store.waiting_runs(analysis_id))
        analyzer = self.analyzers.get(analysis.analyzer)
        if analyzer is None:
            self._publish(store.fail_analysis(analysis_id, NOT_SERVED))
        elif analyzer.card.identity == analysis.identity or self._take_over(analysis_id, analyzer.card.identity):
            self._publish(self._analyse(analysis, analyzer))

    def _analyse(self, analysis: Analysis, analyzer: Analyzer) -> Sequence[str]:
        """Store the result or the error. Returns the ids of the runs whose state changed."""
        store = self.services.store
        began = time.perf_counter()
        try:
            if analysis.photo.width * analysis.photo.height > LARGE:
                for each in self.analyzers.values():
                    each.release_memory()
            analysed = analyzer.analyse(decode(store.photo_bytes(analysis.photo_sha256)))
            changed = store.finish_analysis(analysis.id, analysed)
        except MemoryError:
            return self._fail(analysis.id, OUT_OF_MEMORY)
        except BlobMissing:
            return self._fail(analysis.id, GONE)
        except StoreUnavailable:
            if analysis.attempts < constants.MAX_ATTEMPTS:
                raise
            return self._fail(analysis.id, STORAGE)
        except PublicError as error:
            return self._fail(analysis.id, error.message)
        except Exception:  # noqa: BLE001  A model's own code can raise anything, and would only do so again.
            return self._fail(analysis.id, BROKEN)
        self._record_duration(analysis.analyzer, time.perf_counter() - began)
        return changed

    def _take_over(self, analysis_id: str, identity: str) -> bool:
        """Let this worker's model take over an analysis queued for another one, such as the same in another precision.

        Returns False if this model has an analysis of the photo already; the runs then wait for that one.
        """
        moved = self.services.store.reassign_analysis(analysis_id, identity)
        if moved is None:
            return True
        runs, queued = moved
        for id in queued:
            self.services.jobs.enqueue(id)
        self._publish(runs)
        return False

    def _fail(self, analysis_id: str, message: str) -> Sequence[str]:
        log.exception("analysis %s failed", analysis_id)
        return self.services.store.fail_analysis(analysis_id, message)

    def _record_duration(self, analyzer: str, seconds: float) -> None:
        try:
            self.services.jobs.record_duration(analyzer, seconds)
        except redis.RedisError as error:
            log.warning("duration not recorded: %s", error)

    def _publish(self, run_ids: Sequence[str]) -> None:
        """Wake waiting requests. They also poll, so no result is missed when Redis is unavailable."""
        try:
            self.services.jobs.publish(run_ids)
        except redis.RedisError as error:
            log.warning("change not published: %s", error)
