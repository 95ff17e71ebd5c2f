"""The third classic API's pages: forms, answers as a page, and what administrators may do."""

import json
from collections.abc import Callable
from contextlib import suppress

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from app.errors import NotFound, PublicError
from app.web.classic import requests_log
from app.web.classic.data_science import API, answer, linked, uploaded
from app.web.common import limits
from app.web.common.errors import log_cause
from app.web.common.keys import require_admin
from app.web.common.security import csrf
from app.web.common.services import services

forms = Blueprint("data_science_pages", __name__)
admin = Blueprint("data_science_admin", __name__)


def init_app(app: Flask) -> None:
    """Attach the pages."""
    csrf.exempt(admin)  # the key proves more than a form's token would
    app.register_blueprint(forms)
    app.register_blueprint(admin)
    requests_log.watch(app, forms)
    limits.limit(app, forms)
    limits.limit(app, admin)


@forms.get("/upload")
def upload() -> str:
    """Forms for a file and for an address."""
    return render_template("classic/upload.html")


@forms.route("/demo_file", methods=["GET", "POST"])
def demo_file() -> Response | Redirect:
    """The answer for the form's file, as a page."""
    return _show(uploaded)


@forms.route("/demo_url", methods=["GET", "POST"])
def demo_url() -> Response | Redirect:
    """The answer for the form's address, as a page."""
    return _show(linked)


@admin.post("/reset")
def reset_results() -> Response | Redirect:
    """Delete every stored result of this API."""
    require_admin()
    store, count = services().store, 0
    for id in store.ids_of(API):
        with suppress(NotFound):  # Expired and deleted meanwhile.
            store.delete_run(id)
            count += 1
    if request.accept_mimetypes.best_match(["text/html", "text/plain"]) == "text/plain":
        return Response(f"Deleted {count} stored results.\n", mimetype="text/plain")
    return redirect(url_for("data_science_pages.upload"), 303)


@admin.post("/log")
def show_log() -> str:
    """The last requests to this API."""
    require_admin()
    return render_template("classic/log.html", entries=requests_log.entries())


def _show(photo: Callable[[], tuple[str, bytes]]) -> Response | Redirect:
    if request.method == "GET":
        return redirect(url_for("data_science_pages.upload"), 303)
    try:
        found = answer(*photo())
    except PublicError as error:
        log_cause(error)
        page = make_response(render_template("classic/upload.html", error=error.message), error.status)
        page.headers.update(error.headers)
        return page
    shown = found | {name: json.loads(found[name]) for name in ("resnet", "yolov3")}
    return make_response(render_template("classic/results.html", answer=shown, json=json.dumps(found, indent=2)))
