"""What RQ runs: one analysis of one photo, by a model that the worker process loaded before its first job."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import redis

from app.errors import PublicError
from app.intake import decode
from app.queue import names
from app.queue.jobs import Jobs
from app.queue.services import Services
from app.store import BlobMissing, Store, StoreUnavailable
from app.vision.analyses.analysis import Analyzer

log = logging.getLogger(__name__)

# Pixels of a photo whose decoding may take more memory than its analysis: up to seven bytes each.
LARGE = 20_000_000

OUT_OF_MEMORY = "This photo needs more memory than the server has."
BROKEN = "The analysis of this photo failed. The log of the worker says why."
GONE = "The photo is no longer stored."
STORAGE = "The storage of photos and results did not work. Please send the photo again later."
NOT_SERVED = "The worker no longer serves this analysis. Please send the photo again."


@dataclass(frozen=True)
class Context:
    """What a worker process holds. tell: says to the supervisor which analysis is in hand, None after it."""

    services: Services
    analyzers: Mapping[str, Analyzer]
    tell: Callable[[str | None], None]


_context: Context | None = None


def prepare(context: Context) -> None:
    """Called once by the worker process, with all models loaded."""
    global _context
    _context = context


def analyse(analysis_id: str) -> None:
    """Run one analysis and keep its result. Safe to run twice; does nothing for one that is done or gone.

    Raises:
        StoreUnavailable: the analysis is left as it is, for `app.worker.recovery` to take back after a while.
    """
    if _context is None:
        raise RuntimeError("this process is not a worker: no model is loaded")
    context = _context
    context.tell(analysis_id)
    try:
        _analyse(context, analysis_id)
    finally:
        context.tell(None)


def _analyse(context: Context, analysis_id: str) -> None:
    store, jobs = context.services.store, context.services.jobs
    analysis = store.start_analysis(analysis_id)
    if analysis is None:
        return
    _publish(context, store.waiting_runs(analysis_id))
    analyzer = context.analyzers.get(analysis.analyzer)
    if analyzer is None:
        _publish(context, store.fail_analysis(analysis_id, NOT_SERVED))
        return
    if analyzer.card.identity != analysis.identity and not _adopted(context, analysis_id, analyzer.card.identity):
        return
    began = time.perf_counter()
    try:
        if analysis.photo.width * analysis.photo.height > LARGE:
            for each in context.analyzers.values():
                each.release_memory()
        analysed = analyzer.analyse(decode(store.photo_bytes(analysis.photo_sha256)))
        changed = store.finish_analysis(analysis_id, analysed)
    except MemoryError:
        changed = _fail(store, analysis_id, OUT_OF_MEMORY)
    except BlobMissing:
        changed = _fail(store, analysis_id, GONE)
    except StoreUnavailable:
        if analysis.attempts < names.MAX_ATTEMPTS:
            raise
        changed = _fail(store, analysis_id, STORAGE)
    except PublicError as error:
        changed = _fail(store, analysis_id, error.message)
    except Exception:  # noqa: BLE001  A model's own code can raise anything, and would only do so again.
        changed = _fail(store, analysis_id, BROKEN)
    else:
        _measured(jobs, analysis.analyzer, time.perf_counter() - began)
    _publish(context, changed)


def _adopted(context: Context, analysis_id: str, identity: str) -> bool:
    """Whether an analysis that was asked of another model identity, such as that of a worker in another precision or
    of one that is gone, is now this worker's to answer; else its runs have been passed on to one that is."""
    passed = context.services.store.adopt_analysis(analysis_id, identity)
    if passed is None:
        return True
    runs, queued = passed
    for id in queued:
        context.services.jobs.enqueue(id)
    _publish(context, runs)
    return False


def _fail(store: Store, analysis_id: str, message: str) -> list[str]:
    log.exception("analysis %s failed", analysis_id)
    return store.fail_analysis(analysis_id, message)


def _measured(jobs: Jobs, analyzer: str, seconds: float) -> None:
    try:
        jobs.measured(analyzer, seconds)
    except redis.RedisError as error:
        log.warning("service time not kept: %s", error)


def _publish(context: Context, run_ids: list[str]) -> None:
    """Tell who waits. They look again by themselves, so a Redis that is away must not cost a finished result."""
    try:
        context.services.jobs.publish(run_ids)
    except redis.RedisError as error:
        log.warning("change not published: %s", error)
