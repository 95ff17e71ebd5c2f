"""The one door into the queue, for every page and API."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.intake import Photo
from app.intake.names import photo_name
from app.services import Services
from app.store.models import Run


def submit(
    services: Services,
    photo: Photo,
    *,
    name: str,
    analyses: Sequence[str],
    owner: str,
    batch_id: str | None = None,
    options: Mapping[str, Any] | None = None,
    webhook: str | None = None,
) -> Run:
    """Keep a checked photo and ask for its analyses. What is known already is answered from the store, with no job.

    A crash between the store and the queue loses nothing: see `app.jobs.recovery`.

    Args:
        name: the photo's, as its sender calls it; the run gets what `photo_name` makes of it.

    Returns:
        The run; `deduplicated`, and perhaps done already, when this call queued nothing.

    Raises:
        UnknownAnalysis, AnalysisUnavailable, QueueFull: nothing was stored.
    """
    identities = services.jobs.identities(analyses)
    if new := services.store.lacking(photo.sha256, identities):
        services.jobs.check_room(len(new))
    run, queued = services.store.add_run(
        photo,
        name=photo_name(name),
        identities=identities,
        owner=owner,
        batch_id=batch_id,
        options=options,
        webhook=webhook,
        retention_days=services.settings.retention_days,
    )
    for analysis_id in queued:
        services.jobs.enqueue(analysis_id)
    return run
