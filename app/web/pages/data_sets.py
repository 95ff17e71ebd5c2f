"""Data sets: photos with their truth, from which models learn. For administrators."""

from urllib.parse import urlencode

from flask import Blueprint, Response, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.datasets.errors import DataError
from app.datasets.read import FORMATS as READ
from app.datasets.result import as_results
from app.datasets.split import PARTS
from app.datasets.write import FORMATS
from app.errors import BadRequest
from app.store.data_sets import PAGE, SET_NAME, truths_of
from app.vision.view import View
from app.web.common import words
from app.web.common.admin import admins_only
from app.web.common.data_sets import Addition, add_files, add_runs, checked_class, export_response, named_runs
from app.web.common.rendering import picture_of
from app.web.common.services import services
from app.web.common.trainings import lacking

pages = Blueprint("data_sets", __name__, url_prefix="/datasets")
pages.before_request(admins_only)
THUMBNAIL = 480
# What was left out, as far as a page lists it.
MAX_NAMED = 50


@pages.get("")
def page() -> ResponseReturnValue:
    """Every data set, and the form for a new one. They lead to a page that offers the batch that the query names."""
    summaries, batch = services().store.data_sets.summaries(), request.args.get("batch") or None
    return render_template("data_sets.html", summaries=summaries, max_name=SET_NAME, batch=batch)


@pages.post("")
def create() -> ResponseReturnValue:
    """A new data set."""
    name = _name(request.form.get("name", ""))
    try:
        share, seed = int(request.form.get("share", "20")) / 100, int(request.form.get("seed", "0"))
    except ValueError as error:
        raise BadRequest("The share and the seed are whole numbers.") from error
    if not 0 <= share <= 0.9 or not 0 <= seed < 2**31:
        raise BadRequest("The share is 0 to 90 percent, and the seed not negative.")
    data_set = services().store.data_sets.create(name, share=share, seed=seed)
    return redirect(url_for(".one", id=data_set.id, batch=request.form.get("batch") or None), 303)


@pages.get("/<id>")
def one(id: str) -> ResponseReturnValue:
    """A data set: its classes, its photos, and what can be done with it."""
    return _one(id)


@pages.post("/<id>/photos")
def add(id: str) -> ResponseReturnValue:
    """Add a ZIP or a folder."""
    try:
        addition = add_files(id)
    except DataError as error:
        return make_response(_one(id, refused=error.message, problems=error.problems), error.status)
    return _added(id, addition)


@pages.post("/<id>/runs")
def add_checked(id: str) -> ResponseReturnValue:
    """Add photos that were checked here: of one address, or all of them."""
    address = request.form.get("address", "").strip()
    return _added(id, add_runs(id, named_runs(address) if address else services().store.data_sets.checked_runs()))


def _added(id: str, addition: Addition) -> ResponseReturnValue:
    done = f"{words.count(addition.added, 'photo')} added"
    flash(f"{done}, {addition.updated} updated." if addition.updated else f"{done}.")
    if addition.problems:
        return _one(id, problems=addition.problems)
    return redirect(url_for(".one", id=id), 303)


@pages.post("/<id>/classes")
def classes(id: str) -> ResponseReturnValue:
    """Rename a class, merge it into another, or remove its objects."""
    store, name = services().store.data_sets, request.form.get("class", "")
    if "remove" in request.form:
        changed = store.remove_class(id, name)
    else:
        changed = store.rename_class(id, name, checked_class(request.form.get("new", "")))
    flash(f"{words.count(changed, 'photo')} changed.")
    return redirect(url_for(".one", id=id), 303)


@pages.post("/<id>/rename")
def rename(id: str) -> ResponseReturnValue:
    """Give a data set another name."""
    services().store.data_sets.rename(id, _name(request.form.get("name", "")))
    return redirect(url_for(".one", id=id), 303)


@pages.post("/<id>/delete")
def delete(id: str) -> ResponseReturnValue:
    """Delete a data set, with its photos where nothing else uses them."""
    services().store.data_sets.delete(id)
    flash("The data set was deleted.")
    return redirect(url_for(".page"), 303)


@pages.post("/<id>/photos/<sha256>/remove")
def remove(id: str, sha256: str) -> ResponseReturnValue:
    """Take a photo out of a data set."""
    services().store.data_sets.remove(id, sha256)
    flash("The photo was taken out.")
    return redirect(url_for(".one", id=id), 303)


@pages.get("/<id>/photos/<sha256>")
def picture(id: str, sha256: str) -> Response:
    """A photo with its truth, as a picture of at most `THUMBNAIL` pixels, or with `full=1` in its own size."""
    photo = services().store.data_sets.photo(id, sha256)
    size = (photo.photo.height, photo.photo.width)
    small = "full" not in request.args
    view = View(threshold=0, max_size=THUMBNAIL if small else None, labels=not small)
    return picture_of(photo.photo, as_results(truths_of(photo), size, ()), view)


@pages.get("/<id>/export")
def export(id: str) -> Response:
    """The data set as one ZIP."""
    return export_response(id, request.args.get("format", "coco"))


def _one(id: str, *, refused: str = "", problems: list[str] | None = None) -> str:
    store = services().store.data_sets
    asked = {"part": request.args.get("part", ""), "class": request.args.get("class", "")}
    start = request.args.get("start", "0")
    offset = int(start) if start.isdecimal() and len(start) < 7 else 0
    where = {"part": asked["part"] if asked["part"] in PARTS else None, "class_name": asked["class"] or None}
    photos = store.photos(id, **where, offset=offset, limit=PAGE + 1)
    given = {name: value for name, value in asked.items() if value}
    later = f"{url_for('.one', id=id)}?{urlencode({**given, 'start': offset + PAGE})}" if len(photos) > PAGE else ""
    summary = store.summary(id)
    return render_template(
        "data_set.html",
        summary=summary,
        lacking=lacking(summary) if summary.photos else "",
        photos=photos[:PAGE],
        parts=PARTS,
        asked=asked,
        given=given,
        later=later,
        offset=offset,
        formats=FORMATS,
        read=READ,
        refused=refused,
        problems=(problems or [])[:MAX_NAMED],
        more_problems=max(0, len(problems or []) - MAX_NAMED),
        max_name=SET_NAME,
        address=url_for("batch.page", batch_id=request.args["batch"]) if request.args.get("batch") else "",
    )


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > SET_NAME or not name.isprintable():
        raise BadRequest(f"A data set needs a name of at most {SET_NAME} characters.")
    return name
