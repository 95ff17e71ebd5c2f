"""What was chosen in the gallery: exported, deleted, and restored."""

from datetime import datetime
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from app.errors import NotReady
from app.queue.run_json import view_of
from app.store.models import Run
from app.store.states import State
from app.vision.view import View
from app.web.common import words
from app.web.common.exports import export_response
from app.web.common.security import visitor
from app.web.common.services import services
from app.web.pages.tiles import filters_of

pages = Blueprint("chosen", __name__, url_prefix="/runs/chosen")
# What leads back to the part of the gallery where photos were chosen.
SEARCH = ("class", "q", "from", "from_offset", "to", "to_offset", "cursor")


@pages.post("/export")
def export() -> ResponseReturnValue:
    """The results of the chosen photos that are done, in another tool's format."""
    runs = _chosen()
    if not runs:
        return _nothing()
    done = [run for run in runs if run.state == State.DONE]
    if not done:
        raise NotReady("None of these photos is ready yet.")
    return export_response(done, request.form.get("format", "coco"), _view(done))


@pages.post("/delete")
def delete() -> ResponseReturnValue:
    """Delete the chosen photos; for a while they can be restored."""
    runs = _chosen()
    if not runs:
        return _nothing()
    removed_at = services().store.remove_runs(runs)
    return redirect(_back(request.form, removed=removed_at.isoformat()), 303)


@pages.post("/restore")
def restore() -> ResponseReturnValue:
    """Restore the photos that were deleted together."""
    removed_at = _moment(request.form.get("removed", ""))
    restored = services().store.restore_runs(visitor(), removed_at) if removed_at else 0
    flash(f"{words.count(restored, 'photo')} restored." if restored else "These photos can no longer be restored.")
    return redirect(_back(request.form), 303)


def removed() -> int:
    """How many photos the address says were deleted and can be restored."""
    removed_at = _moment(request.args.get("removed", ""))
    return services().store.removed_runs(visitor(), removed_at) if removed_at else 0


def _chosen() -> list[Run]:
    runs, batches = (request.form.getlist(name) for name in ("run", "batch"))
    return list(services().store.chosen_runs(visitor(), runs, batches)) if runs or batches else []


def _view(runs: list[Run]) -> View:
    """The view that the page shows, else what all of these were asked for, else that of the settings."""
    threshold, filters = services().settings.threshold, filters_of(request.form)
    if filters:
        return View.from_args(filters, threshold)
    asked = {view_of(run, {}, threshold) for run in runs}
    return asked.pop() if len(asked) == 1 else View(threshold=threshold)


def _nothing() -> ResponseReturnValue:
    flash("Choose photos first.")
    return redirect(_back(request.form), 303)


def _back(form: MultiDict[str, str], **args: Any) -> str:
    """The address of the page that the form was sent from."""
    if form.get("page"):
        return url_for("batch.page", batch_id=form["page"], **filters_of(form), **args)
    search: dict[str, Any] = {name: form[name] for name in SEARCH if form.get(name)}
    return url_for("history.page", **search, **args)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
