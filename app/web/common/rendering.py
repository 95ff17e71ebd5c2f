"""Rendered views of runs, kept in a bounded cache on disk."""

import gzip
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from flask import Response, request

from app.errors import NotReady
from app.intake.bare import bare_jpeg
from app.intake.budget import pixel_budget
from app.intake.decode import decode
from app.store.models import Photo, Run
from app.store.states import State
from app.vision.render.class_colours import Colours
from app.vision.render.overlay import VERSION as OVERLAY_VERSION
from app.vision.render.overlay import overlay
from app.vision.render.picture import VERSION, render
from app.vision.results import Analysed
from app.vision.rivals import counted
from app.vision.view import CORRECTED, View
from app.web.common.costs import check_listening, spend_on_picture
from app.web.common.services import services

SCORES_VERSION = "2"


def render_view(run: Run, view: View, analyses: Collection[str] | None = None) -> tuple[bytes, str, str]:
    """Render a view of a run.

    Args:
        run: done, or in any state for a view that draws nothing.
        view: what to show.
        analyses: names of the analyses to draw; None for all that are done.

    Returns:
        The picture as a file, its media type, and its ETag (without quotes), which changes with the picture.

    Raises:
        NotReady: the run has no result to draw. BudgetUsedUp: the caller had too many pictures made. CallerGone.
    """
    finished = _finished(run, analyses) if view.draws else {}
    if view.draws and not finished:
        raise NotReady
    key = [VERSION, *_answers(run, finished, view.source), view.key()]
    data, etag = _cached(run, key, lambda: _render(run, view, finished))
    return data, view.media_type, etag


def picture_of(photo: Photo, results: Mapping[str, Analysed], view: View, colours: Colours | None = None) -> Response:
    """A photo with results that belong to no run, drawn for this request alone.

    Raises BudgetUsedUp, CallerGone, BlobMissing.
    """
    spend_on_picture(photo, view)
    data = services().store.photo_bytes(photo.sha256)
    with pixel_budget.reserve(photo.width * photo.height):
        check_listening()  # It may have been a long wait.
        picture = render(decode(data, min_side=view.max_size), results, view, colours)
    response = Response(picture, mimetype=view.media_type)
    response.add_etag()
    response.make_conditional(request)
    return response


def render_overlay(run: Run, source: str) -> tuple[bytes, str]:
    """All results of a run as JSON that the browser draws (`app.vision.render.overlay`), in gzip; and its ETag.

    source: of a view.
    """
    finished = _finished(run, None)
    key = ["overlay in gzip", OVERLAY_VERSION, *_answers(run, finished, source)]
    return _cached(run, key, lambda: _overlay(run, source))


def found_scores(run: Run) -> dict[str, list[float]]:
    """The scores of all that was found in a run, by class, best first.

    Rivals count once, and what is said of the whole photo does not.
    """
    key = ["scores", SCORES_VERSION, *_answers(run, _finished(run, None), CORRECTED)]
    scores: dict[str, list[float]] = json.loads(_cached(run, key, lambda: _scores(run))[0])
    return scores


def _cached(run: Run, key: Sequence[str], make: Callable[[], bytes]) -> tuple[bytes, str]:
    """The cache's entry for a run's photo and a key, made where it is missing; and its ETag."""
    etag = hashlib.sha256("\n".join([run.photo_sha256, *key]).encode()).hexdigest()[:32]
    cache = services().store.views
    with cache.one_at_a_time(etag):
        data = cache.get(run.photo_sha256, etag)
        if data is None:
            data = make()
            cache.put(run.photo_sha256, etag, data)
    return data, etag


def _finished(run: Run, analyses: Collection[str] | None) -> dict[str, str]:
    """The ids of a run's finished analyses, by analyzer."""
    done = {analysis.analyzer: analysis.id for analysis in run.analyses if analysis.state == State.DONE}
    return done if analyses is None else {name: id for name, id in done.items() if name in analyses}


def _answers(run: Run, analyses: Mapping[str, str], source: str) -> list[str]:
    """What tells apart the results that are drawn: the analyses' ids, and the run's correction where it counts."""
    counts = source == CORRECTED and run.correction and analyses
    return sorted(analyses.values()) + ([f"{run.id} {run.correction}"] if counts else [])


def _render(run: Run, view: View, analyses: Collection[str]) -> bytes:
    spend_on_picture(run.photo, view)
    results = services().store.results_from(run, view.source) if analyses else {}
    results = {name: analysed for name, analysed in results.items() if name in analyses}
    data = services().store.photo_bytes(run.photo_sha256)
    with pixel_budget.reserve(run.photo.width * run.photo.height):
        check_listening()  # It may have been a long wait.
        picture = render(decode(data, min_side=view.max_size), results, view)
    return min(picture, _as_sent(run, view, data) or picture, key=len)


def _as_sent(run: Run, view: View, data: bytes) -> bytes | None:
    """The photo in its own encoding, which is often smaller than ours; None where the view asks for anything else."""
    fits = max(run.photo.width, run.photo.height) <= (view.max_size or math.inf)
    own = not view.draws and run.photo.format == view.format == "jpeg" and fits
    return bare_jpeg(data) if own else None


def _overlay(run: Run, source: str) -> bytes:
    results = services().store.results_from(run, source)
    drawn = overlay(results, (run.photo.height, run.photo.width))
    return gzip.compress(json.dumps(drawn, separators=(",", ":")).encode(), mtime=0)


def _scores(run: Run) -> bytes:
    scores: dict[str, list[float]] = defaultdict(list)
    for analysed in services().store.results_from(run).values():
        for row in counted(analysed.result.rows()):
            if row.box is not None:
                scores[row.name].append(row.shown_score)
    found = sorted((sorted(of_class, reverse=True), name) for name, of_class in scores.items())
    return json.dumps({name: of_class for of_class, name in reversed(found)}).encode()
