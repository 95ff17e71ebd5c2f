"""Pictures that show only some of a run's analyses."""

from collections.abc import Collection

from app.store.models import Run
from app.vision.view import View
from app.web.rendered import rendered


def draw(run: Run, analyses: Collection[str], threshold: float) -> tuple[bytes, str]:
    """The upright photo of a finished run as a JPEG, with the results of the named analyses drawn on it; its ETag."""
    view = View(threshold=threshold) if analyses else View.plain()
    chosen = [analysis for analysis in run.analyses if analysis.analyzer in analyses]
    # Never added to a session: a run that has but these analyses, for as long as it takes to draw.
    part = Run(id=run.id, state=run.state, photo_sha256=run.photo_sha256, photo=run.photo, analyses=chosen)
    data, _, etag = rendered(part, view)
    return data, etag
