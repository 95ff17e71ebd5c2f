"""The start: one place to drop photos on."""

import re
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from app.config.settings import ROOT
from app.store.models import Batch, Run
from app.web.common.errors import wants_json
from app.web.common.services import services
from app.web.pages import uploads
from app.web.pages.status import ANALYSES, service_status

pages = Blueprint("start", __name__)
SAMPLES_FOLDER = ROOT / "test_images"
# Photos to try, with what to call them and their size in pixels.
SAMPLES = {
    "astronaut.jpg": ("An astronaut", 512, 512),
    "coffee.jpg": ("A cup of coffee", 600, 400),
    "grace_hopper.jpg": ("An officer", 512, 600),
}


@pages.get("/")
def start() -> ResponseReturnValue:
    """Where photos are dropped, chosen or pasted."""
    return render_template("start.html", upload=form(), retention=services().settings.retention_days)


@pages.post("/")
def upload() -> ResponseReturnValue:
    """Take a sample, a photo, several photos or a ZIP, and lead to the page of the run or the batch."""
    sample = request.form.get("sample", "")
    made = uploads.take_photo(_sample(sample), sample) if sample else uploads.take()
    address = address_of(made)
    if wants_json():
        return jsonify(location=address), 201, {"Location": address}
    return redirect(address, 303)


@pages.get("/samples/<name>")
def sample(name: str) -> Response:
    """A sample photo."""
    if name not in SAMPLES:
        abort(404)
    return send_from_directory(SAMPLES_FOLDER, name, max_age=86400)


def form() -> dict[str, Any]:
    """What the template of the upload form shows: samples, analyses and limits."""
    settings = services().settings
    limits = {"photo": settings.max_upload_bytes, "batch": settings.max_batch_bytes, "count": settings.batch_max}
    return {"samples": SAMPLES, "analyses": _offered(), "limits": limits}


def address_of(made: Run | Batch) -> str:
    """The address of the page of a run or a batch."""
    return url_for("run.page", run_id=made.id) if isinstance(made, Run) else url_for("batch.page", batch_id=made.id)


def _sample(name: str) -> bytes:
    if name not in SAMPLES:
        abort(404)
    return (SAMPLES_FOLDER / name).read_bytes()


def _offered() -> list[dict[str, object]]:
    """The analyses as choices: those that a worker has announced can be ticked, objects are to begin with."""
    cards = service_status().cards
    first = "objects" if "objects" in cards or not cards else next(iter(cards))
    return [
        {
            "name": name,
            "title": title,
            "text": text,
            "available": name in cards,
            "checked": name == first,
            "model": _plain_title(cards[name].title) if name in cards else "",
        }
        for name, (title, text) in ANALYSES.items()
    ]


def _plain_title(title: str) -> str:
    return re.sub(r"\s+", " ", title)
