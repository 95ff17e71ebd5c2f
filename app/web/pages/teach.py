"""The queue of photos to correct: those first of which a correction would tell the most."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.web.common.admin import is_admin
from app.web.common.by_doubt import most_doubtful_first, next_after
from app.web.common.security import visitor
from app.web.common.services import services
from app.web.pages.history import PAGE
from app.web.pages.tiles import THUMBNAIL

pages = Blueprint("teach", __name__, url_prefix="/teach")


@pages.get("")
def page() -> ResponseReturnValue:
    """The visitor's photos that nobody has checked yet, the least sure first."""
    store, mine = services().store, visitor()
    waiting = most_doubtful_first(store.unchecked(mine))
    return render_template(
        "teach.html",
        runs=store.runs([run.id for run in waiting[:PAGE]]),
        doubts={run.id: run.doubt for run in waiting},
        count_waiting=len(waiting),
        any_runs=bool(waiting or store.history(mine, limit=1).runs),
        thumbnail=THUMBNAIL,
        admin=is_admin(),
    )


@pages.get("/next")
def next_photo() -> ResponseReturnValue:
    """To the photo after the one that the query names, or to the first one; to the queue where none waits.

    Of a batch that the query names, to its photos alone, and back to it.
    """
    batch = request.args.get("batch") or None
    following = next_after(visitor(), request.args.get("after", ""), batch or "")
    if following:
        return redirect(url_for("correct.page", run_id=following, batch=batch), 303)
    if batch is None:
        return redirect(url_for(".page"), 303)
    flash("All photos of this batch are checked.")
    return redirect(url_for("batch.page", batch_id=batch), 303)
