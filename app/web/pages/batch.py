"""The page of a batch: a grid that fills as results arrive."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import (
    Blueprint,
    Response,
    jsonify,
    redirect,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue

from app.errors import BrokenPhoto, Forbidden, NotAPhoto, NotReady
from app.store.models import Run
from app.store.states import FINISHED, State
from app.vision.export import FORMATS
from app.vision.export.files import zip_stream
from app.vision.export.names import file_paths
from app.vision.view import View
from app.web.common import words
from app.web.common.admin import is_admin
from app.web.common.costs import exporting
from app.web.common.exports import export_requested, picture_path
from app.web.common.rendering import render_view
from app.web.common.security import is_owner
from app.web.common.services import services
from app.web.pages.chosen import removed
from app.web.pages.run import REFRESH
from app.web.pages.tiles import Tile, filters_of, run_counts, run_tile
from app.web.pages.views import asked_view, ticked_view

pages = Blueprint("batch", __name__, url_prefix="/batches/<batch_id>")
# The messages of files that cannot be read at all.
UNREADABLE = (NotAPhoto.message, BrokenPhoto.message)


@pages.get("")
def page(batch_id: str) -> ResponseReturnValue:
    """All photos of the batch with their progress, and the rejected files with the reasons."""
    if "apply" in request.args:
        return redirect(url_for(".page", batch_id=batch_id, **filters_of(ticked_view(request.args))), 303)
    batch = services().store.get_batch(batch_id)
    runs = services().store.batch_runs(batch_id)
    progress, filters = _progress(runs), filters_of(request.args)
    view = asked_view(runs[0]) if runs else View()
    counts, chips = _counts(runs, 0), _counts(runs, view.threshold)
    return render_template(
        "batch.html",
        batch=batch,
        tiles=_tiles(runs, filters),
        progress=progress,
        view=view,
        filters=filters,
        chips=chips,
        unlisted=[name for name in counts if not view.shows(name) and name not in chips],
        floor=services().settings.score_floor,
        refresh=None if progress["finished"] else REFRESH,
        formats=FORMATS,
        mine=is_owner(batch.owner),
        admin=is_admin(),
        removed=removed(),
        unreadable=all(file["message"] in UNREADABLE for file in batch.refused),
    )


@pages.get("/status")
def status(batch_id: str) -> Response:
    """The progress of the batch as JSON, with the texts that the page shows."""
    batch = services().store.get_batch(batch_id)
    runs = services().store.batch_runs(batch_id)
    tiles = _tiles(runs, filters_of(request.args))
    shown = [{"id": t.id, "state": t.state, "text": t.text, "image": t.pictures[0].address} for t in tiles]
    response = jsonify({**_progress(runs), "runs": shown, "refused": batch.refused})
    response.headers["Cache-Control"] = "no-store"
    return response


@pages.get("/download")
def download(batch_id: str) -> Response:
    """A ZIP of all annotated photos that are done."""
    batch = services().store.get_batch(batch_id)
    runs = _done(services().store.batch_runs(batch_id))
    pieces = _zip(runs)
    first = next(pieces)  # An error of the first photo is still an answer.
    response = Response(stream_with_context(itertools.chain([first], pieces)), mimetype="application/zip")
    name = f"detected_{batch.created_at:%Y-%m-%d}.zip"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


@pages.get("/export")
def export(batch_id: str) -> ResponseReturnValue:
    """The results of all photos that are done, in another tool's format."""
    services().store.get_batch(batch_id)
    return export_requested(_done(services().store.batch_runs(batch_id)))


@pages.post("/delete")
def delete(batch_id: str) -> ResponseReturnValue:
    """Delete all photos of the batch; for a while they can be restored. Only for its owner."""
    store = services().store
    batch = store.get_batch(batch_id)
    if not is_owner(batch.owner):
        raise Forbidden("Only the person who sent these photos can delete them.")
    runs = store.batch_runs(batch_id)
    if not runs:
        store.delete_batch(batch_id)
        return redirect(url_for("history.page"), 303)
    removed_at = store.remove_runs(runs)
    return redirect(url_for("history.page", removed=removed_at.isoformat()), 303)


def _done(runs: Sequence[Run]) -> list[Run]:
    done = [run for run in runs if run.state == State.DONE]
    if not done:
        raise NotReady("None of these photos is ready yet.")
    return done


def _zip(runs: Sequence[Run]) -> Iterator[bytes]:
    """A ZIP of the annotated photos, each under a path of its own, as they are made. They are compressed already."""
    views = [asked_view(run) for run in runs]
    paths = file_paths(picture_path(run, view) for run, view in zip(runs, views, strict=True))
    with exporting():
        pictures = ((path, render_view(run, view)[0]) for run, view, path in zip(runs, views, paths, strict=True))
        yield from zip_stream(pictures)


def _tiles(runs: Sequence[Run], filters: Mapping[str, str]) -> list[Tile]:
    """The photos of the grid. The queue is read once for all of them."""
    waiting = services().jobs.waiting() if any(run.state == State.QUEUED for run in runs) else []
    positions = {id: position for position, id in enumerate(waiting, 1)}
    return [_tile(run, filters, positions) for run in runs]


def _tile(run: Run, filters: Mapping[str, str], positions: Mapping[str, int]) -> Tile:
    """A photo of the grid, with its place in the queue until it is done. positions: of all analyses in the queue."""
    tile = run_tile(run, asked_view(run), filters)
    if not tile.waiting:
        return tile
    own = [positions[analysis.id] for analysis in run.analyses if analysis.id in positions]
    position = max(own, default=None) if run.state == State.QUEUED else None
    return replace(tile, text=words.waiting(run.state, position, None))


def _counts(runs: Sequence[Run], threshold: float) -> dict[str, int]:
    """How many of each class reach a threshold in all photos that are done, the most frequent first."""
    counts: Counter[str] = Counter()
    for run in runs:
        if run.state == State.DONE:
            counts.update(run_counts(run, View(threshold=threshold)))
    return dict(counts.most_common())


def _progress(runs: Sequence[Run]) -> dict[str, Any]:
    ended = [run.state for run in runs if run.state in FINISHED]
    finished, done = len(ended) == len(runs), ended.count(State.DONE)
    text = f"{len(ended)} of {words.count(len(runs), 'photo')} looked at" if runs else "No photos"
    if finished and runs:
        all_done = f"{words.count(len(runs), 'photo')}, all looked at"
        text = all_done if done == len(runs) else f"{done} of {len(runs)} worked"
    return {"total": len(runs), "ended": len(ended), "done": done, "finished": finished, "text": text}
