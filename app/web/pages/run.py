"""The page of one run, first waiting and then with the picture; its images and files."""

import gzip
import io
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue

from app.errors import Forbidden, NotReady
from app.intake.photo import Photo
from app.queue.submit import submit
from app.store.corrections import OBJECTS
from app.store.models import Run
from app.store.states import FINISHED, State
from app.vision.analyses.registry import analyses
from app.vision.export import FORMATS
from app.vision.view import FILTERS, View
from app.web.common import words
from app.web.common.exports import export_requested, picture_name
from app.web.common.rendering import render_overlay, render_view
from app.web.common.runs import delete_run
from app.web.common.security import is_owner
from app.web.common.services import services
from app.web.common.urls import absolute_url
from app.web.pages.status import service_status
from app.web.pages.tiles import filters_of
from app.web.pages.views import asked_view, result_lists, ticked_view

pages = Blueprint("run", __name__, url_prefix="/runs/<run_id>")
# Seconds after which a page without JavaScript reloads.
REFRESH = 2
# Longest side of the picture on the page, in pixels; the download has all pixels.
STAGE_SIZE = 2048
# The same of the picture in link previews.
PREVIEW_SIZE = 1200


@pages.get("")
def page(run_id: str) -> ResponseReturnValue:
    """The run: its position in the queue, its error, or the picture with its results."""
    if "apply" in request.args:
        return redirect(f"{url_for('.page', run_id=run_id)}?{urlencode(ticked_view(request.args))}", 303)
    run = services().store.get_run(run_id)
    view = asked_view(run)
    args = {name: value for name, value in view.to_args().items() if name not in ("format", "max_size")}
    context: dict[str, Any] = {"run": run, "view": view, "args": args, "mine": is_owner(run.owner)}
    context["carried"] = filters_of(request.args)
    context["place"] = services().store.place(run) if context["mine"] else None  # Others have this address alone.
    context["titles"] = {analysis.name: analysis.title for analysis in analyses()}
    if run.state == State.DONE:
        results = services().store.results_from(run, view.source)
        context["filters"] = {name: args[name] for name in FILTERS if name in args}
        context |= {"lists": result_lists(results, view), "formats": FORMATS, "seconds": _seconds(run)}
        context["models"] = {name: analysed.card.title for name, analysed in results.items()}
        context["correctable"] = OBJECTS in results
        context["newer"] = _newer(run)
        context["notes"] = list(dict.fromkeys(a.card.note for a in results.values() if a.card.note))
    elif run.state not in FINISHED:
        context |= {"waiting": _waiting(run), "refresh": REFRESH}
    shown: dict[str, Any] = dict(args) if run.state == State.DONE else {"plain": "1"}
    context["preview"] = absolute_url(url_for(".image", run_id=run.id, max_size=PREVIEW_SIZE, **shown))
    return render_template("run.html", stage_size=STAGE_SIZE, floor=services().settings.score_floor, **context)


@pages.get("/status")
def status(run_id: str) -> Response:
    """The state of the run as JSON, with the sentence that the page shows."""
    run = services().store.get_run(run_id)
    page = url_for(".page", run_id=run.id)
    body = {
        "state": run.state,
        "error": run.error,
        "deduplicated": run.deduplicated,
        "links": {"page": page, **{name: f"{page}/{name}" for name in ("image", "download", "overlay")}},
        **_waiting(run),
    }
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response


@pages.get("/image")
def image(run_id: str) -> Response:
    """The photo with the results drawn on it as the query asks; with `plain=1` the upright photo alone."""
    return _picture(services().store.get_run(run_id), attachment=False)


@pages.get("/download")
def download(run_id: str) -> Response:
    """The same bytes as the image, as a file named `detected_<name>`."""
    return _picture(services().store.get_run(run_id), attachment=True)


@pages.get("/overlay")
def overlay(run_id: str) -> Response:
    """All results as outlines that the browser draws."""
    run = _done(services().store.get_run(run_id))
    packed, etag = render_overlay(run, asked_view(run).source)
    takes_gzip = request.accept_encodings["gzip"] > 0
    response = Response(packed if takes_gzip else gzip.decompress(packed), mimetype="application/json")
    if takes_gzip:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{etag}-gzip" if takes_gzip else etag)
    response.headers["Cache-Control"] = "private, no-cache"  # A correction changes it.
    response.make_conditional(request)
    return response


@pages.get("/export")
def export(run_id: str) -> ResponseReturnValue:
    """What the page shows, in another tool's format."""
    return export_requested([_done(services().store.get_run(run_id))])


@pages.post("/again")
def again(run_id: str) -> ResponseReturnValue:
    """Analyse the photo of a run again, with the models that answer now, as a run of its own. Only for its owner."""
    run, store = services().store.get_run(run_id), services().store
    if not is_owner(run.owner):
        raise Forbidden("Only the person who sent this photo can have it looked at again.")
    row = run.photo
    photo = Photo(store.photo_bytes(row.sha256), row.sha256, row.md5, row.format, row.width, row.height)
    names = [analysis.analyzer for analysis in run.analyses]
    made = submit(services(), photo, name=run.name, analyses=names, owner=run.owner, options=run.options)
    return redirect(url_for(".page", run_id=made.id), 303)


@pages.post("/delete")
def delete(run_id: str) -> ResponseReturnValue:
    """Delete the run, and its photo and results unless other runs use them. Only for its owner."""
    run = services().store.get_run(run_id)
    if not is_owner(run.owner):
        raise Forbidden("Only the person who sent this photo can delete it.")
    delete_run(run)
    flash(f"{run.name} was deleted.")
    return redirect(url_for("history.page"), 303)


def _picture(run: Run, *, attachment: bool) -> Response:
    view = asked_view(run)
    if request.args.get("plain") == "1":
        view = View.plain(view.max_size, view.format)
    elif run.state != State.DONE:
        raise NotReady
    data, media_type, etag = render_view(run, view)
    response = send_file(
        io.BytesIO(data),
        mimetype=media_type,
        as_attachment=attachment,
        download_name=picture_name(run, view),
        etag=etag.strip('"'),
    )
    response.headers["Cache-Control"] = "private, no-cache" if view.draws else "private, max-age=300"
    return response


def _newer(run: Run) -> str:
    """The title of the model that finds objects now, where it is another than the one that looked at this photo."""
    card = service_status().cards.get(OBJECTS)
    identities = {analysis.identity for analysis in run.analyses if analysis.analyzer == OBJECTS}
    return card.title if card and identities and card.identity not in identities else ""


def _done(run: Run) -> Run:
    if run.state != State.DONE:
        raise NotReady
    return run


def _waiting(run: Run) -> dict[str, Any]:
    """The run's position, the expected seconds, and both as a sentence."""
    if run.state in FINISHED:
        return {"position": None, "eta": None, "text": ""}
    progress = services().jobs.progress(run)
    position, eta = progress.position, progress.eta
    if not any(worker.ready for worker in progress.workers.values()):
        text = words.LOADING if progress.workers else words.NO_WORKER
        return {"position": position, "eta": None, "text": text}
    return {"position": position, "eta": eta, "text": words.waiting(run.state, position, eta)}


def _seconds(run: Run) -> float | None:
    """How long the analyses took in all."""
    known = [analysis.seconds for analysis in run.analyses if analysis.seconds is not None]
    return sum(known) if known else None
