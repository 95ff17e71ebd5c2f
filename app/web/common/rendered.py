"""Rendered views of runs, kept on disk in a bounded cache: the same view twice is drawn once."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence

from app.errors import NotReady
from app.intake.budget import pixel_budget
from app.intake.decode import decode
from app.store.models import DONE, Run
from app.vision.render.overlay import VERSION as OVERLAY_VERSION
from app.vision.render.overlay import overlay
from app.vision.render.picture import VERSION, render
from app.vision.results import Analysed
from app.vision.view import View
from app.web.common.services import services


def rendered(run: Run, view: View, analyses: Collection[str] | None = None) -> tuple[bytes, str, str]:
    """What a run's view looks like.

    Args:
        run: done, or, for a view that draws nothing, in any state.
        view: what to show of it.
        analyses: the analyses whose results are drawn; None: all that are done.

    Returns:
        The picture as a file, its media type and its ETag (without quotes), which changes when the picture does.

    Raises:
        NotReady: nothing of this run is finished that could be drawn.
    """
    finished = _finished(run, analyses) if view.draws else {}
    if view.draws and not finished:
        raise NotReady
    data, etag = _kept(run, [VERSION, *sorted(finished.values()), view.key()], lambda: _render(run, view, finished))
    return data, view.media_type, etag


def overlaid(run: Run) -> tuple[bytes, str]:
    """All that was found in a run as JSON for the browser to draw (`app.vision.render.overlay`), and its ETag."""
    finished = _finished(run, None)
    return _kept(run, ["overlay", OVERLAY_VERSION, *sorted(finished.values())], lambda: _overlay(run, finished))


def _kept(run: Run, what: Sequence[str], make: Callable[[], bytes]) -> tuple[bytes, str]:
    """What the cache keeps of a run's photo under these words, made where it is not there; its ETag."""
    etag = hashlib.sha256("\n".join([run.photo_sha256, *what]).encode()).hexdigest()[:32]
    cache = services().store.views
    with cache.one_at_a_time(etag):
        data = cache.get(run.photo_sha256, etag)
        if data is None:
            data = make()
            cache.put(run.photo_sha256, etag, data)
    return data, etag


def _finished(run: Run, analyses: Collection[str] | None) -> dict[str, str]:
    """The ids of a run's finished analyses, by analyzer."""
    done = {analysis.analyzer: analysis.id for analysis in run.analyses if analysis.state == DONE}
    return done if analyses is None else {name: id for name, id in done.items() if name in analyses}


def _render(run: Run, view: View, analyses: Mapping[str, str]) -> bytes:
    results = _results(analyses)
    data = services().store.photo_bytes(run.photo_sha256)
    with pixel_budget.reserve(run.photo.width * run.photo.height):
        return render(decode(data, at_least=view.max_size), results, view)


def _overlay(run: Run, analyses: Mapping[str, str]) -> bytes:
    return json.dumps(overlay(_results(analyses), (run.photo.height, run.photo.width)), separators=(",", ":")).encode()


def _results(analyses: Mapping[str, str]) -> dict[str, Analysed]:
    return {analyzer: services().store.result(id) for analyzer, id in analyses.items()}
