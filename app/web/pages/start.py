"""The start page, where photos are dropped."""

import re
from pathlib import PurePath
from typing import Any

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue

from app.config.settings import ROOT
from app.errors import NoAnalysis
from app.store.models import Batch, Run
from app.store.states import State
from app.vision.analyses.registry import analyses
from app.vision.view import CORRECTED
from app.web.common.errors import wants_json
from app.web.common.services import services
from app.web.common.uploads import submit_address, submit_form, submit_photo
from app.web.common.waiting import when_finished
from app.web.pages.status import service_status

pages = Blueprint("start", __name__)
# Seconds that a page's script waits for a result before it shows the wait.
MOMENT = 0.8
# Sample photos: what each shows, and where it lies. `static/samples` has them small, without and with what is found.
SAMPLES = {
    "sheet.jpg": ("A sheet with many things", ROOT / "app" / "static" / "samples"),
    "astronaut.jpg": ("An astronaut", ROOT / "test_images"),
    "coffee.jpg": ("A cup of coffee", ROOT / "test_images"),
    "grace_hopper.jpg": ("An officer", ROOT / "test_images"),
}


@pages.get("/")
def start() -> ResponseReturnValue:
    """The page on which photos are dropped, chosen or pasted."""
    return render_template("start.html", upload=upload_form(), retention=services().settings.retention_days)


@pages.post("/")
def upload() -> ResponseReturnValue:
    """Submit a sample, a photo or its address, several photos or a ZIP, and redirect to the run's or batch's page.

    The page's script gets the address as JSON, after a moment in which most photos are looked at.
    """
    created = _submitted()
    if not wants_json():
        return redirect(page_url(created), 303)
    return when_finished(created, MOMENT, _made) if isinstance(created, Run) else _made(created)


@pages.get("/samples/<name>")
def sample(name: str) -> Response:
    """A sample photo."""
    if name not in SAMPLES:
        abort(404)
    return send_from_directory(SAMPLES[name][1], name, max_age=86400)


def upload_form() -> dict[str, Any]:
    """What the template of the upload form needs: samples, analyses and limits."""
    settings = services().settings
    limits = {"photo": settings.max_upload_bytes, "batch": settings.max_batch_bytes, "count": settings.batch_max}
    return {
        "samples": [(name, words, PurePath(name).stem) for name, (words, _) in SAMPLES.items()],
        "analyses": _analysis_choices(),
        "limits": limits,
        "no_analysis": NoAnalysis.message,
    }


def page_url(created: Run | Batch) -> str:
    """The URL of the page of a run or a batch."""
    if isinstance(created, Run):
        return url_for("run.page", run_id=created.id)
    return url_for("batch.page", batch_id=created.id)


def _made(created: Run | Batch) -> Response:
    """The addresses of a page, and of a run's overlay, null until there is one."""
    address = page_url(created)
    body: dict[str, str | None] = {"location": address}
    if isinstance(created, Run):
        ready = created.state == State.DONE
        body["overlay"] = url_for("run.overlay", run_id=created.id, source=CORRECTED) if ready else None
    response = jsonify(body)
    response.status_code, response.headers["Location"] = 201, address
    return response


def _submitted() -> Run | Batch:
    sample, address = (request.form.get(name, "").strip() for name in ("sample", "address"))
    if sample:
        return submit_photo(_sample(sample), sample, shared=True)
    has_file = any(file.filename for file in request.files.values())
    return submit_address(address) if address and not has_file else submit_form()


def _sample(name: str) -> bytes:
    if name not in SAMPLES:
        abort(404)
    return (SAMPLES[name][1] / name).read_bytes()


def _analysis_choices() -> list[dict[str, object]]:
    """The analyses to choose from. Those that a worker has announced are available; objects are ticked at first."""
    cards = service_status().cards
    first = "objects" if "objects" in cards or not cards else next(iter(cards))
    return [
        {
            "name": analysis.name,
            "title": analysis.title,
            "text": analysis.summary,
            "available": analysis.name in cards,
            "checked": analysis.name == first,
            "model": _plain_title(cards[analysis.name].title) if analysis.name in cards else "",
        }
        for analysis in analyses()
    ]


def _plain_title(title: str) -> str:
    return re.sub(r"\s+", " ", title)
