"""Submitting a photo: how every page and API puts analyses into the queue."""

import logging
from collections.abc import Sequence

import redis

from app.errors import ServiceUnavailable
from app.intake import Photo
from app.intake.names import given_path
from app.queue.services import Services
from app.store.models import Run, RunOptions
from app.system.logs import request_id

log = logging.getLogger(__name__)


def submit(
    services: Services,
    photo: Photo,
    *,
    name: str,
    analyses: Sequence[str],
    owner: str,
    shared: bool = False,
    batch_id: str | None = None,
    options: RunOptions | None = None,
    webhook: str | None = None,
    webhook_secret: str | None = None,
) -> Run:
    """Store a checked photo and queue its analyses, except those that are stored or queued already.

    If the process or Redis dies between storing and queueing, `app.worker.recovery` queues what is missing.

    Args:
        name: of the photo, as it was sent; cleaned by `given_path`.
        shared: whether everybody has this photo, so that its result may be anybody's. Others share results with the
            owner's other runs, or with all where SHARED_RESULTS says so.

    Returns:
        The run. If this call queued nothing, it is `deduplicated`, and may be done already.

    Raises:
        UnknownAnalysis, AnalysisUnavailable, QueueFull, ServiceUnavailable: nothing was stored.
    """
    pool = "" if shared or services.settings.shared_results else owner
    try:
        status = services.jobs.status()
        identities = status.identities(analyses)
        new = services.store.analyzers_to_queue(photo.sha256, identities, pool)
        if new and batch_id is None:  # A batch found room when it began, and is taken whole.
            services.jobs.check_capacity(len(new), status.waiting)
    except redis.RedisError as error:
        raise ServiceUnavailable from error
    options = RunOptions(**(options or {}))
    if id := request_id():
        options["request_id"] = id
    run, queued = services.store.add_run(
        photo,
        name=given_path(name, photo.format),
        identities=identities,
        owner=owner,
        pool=pool,
        batch_id=batch_id,
        options=options,
        webhook=webhook,
        webhook_secret=webhook_secret,
        retention_days=services.settings.retention_days,
    )
    try:
        if queued:
            services.jobs.enqueue(*queued)
    except redis.RedisError as error:
        log.warning("run %s is left to recovery: %s", run.id, error)
    return run
