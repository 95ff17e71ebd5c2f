"""The pages of `/do_data_science`: its forms, its results, and what only administrators can do."""

import json
from collections.abc import Callable
from contextlib import suppress

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Redirect

from app.errors import NotFound, PublicError
from app.web.classic import request_log
from app.web.classic.data_science import API, analyse_photo, fetched_photo, uploaded_photo
from app.web.common import errors, limits
from app.web.common.keys import check_admin
from app.web.common.security import csrf
from app.web.common.services import services

forms = Blueprint("data_science_pages", __name__)
admin = Blueprint("data_science_admin", __name__)


def init_app(app: Flask) -> None:
    """Attach the pages."""
    csrf.exempt(admin)  # The admin key proves more than a form's token.
    for address in ("/demo_file", "/demo_url"):
        errors.register_format(app, address, _refused)
    app.register_blueprint(forms)
    app.register_blueprint(admin)
    request_log.log_requests(app, forms)
    limits.limit(app, forms)
    limits.limit(app, admin)


@forms.get("/upload")
def upload() -> str:
    """Forms for a file and for an address."""
    return render_template("classic/upload.html")


@forms.route("/demo_file", methods=["GET", "POST"])
def demo_file() -> Response | Redirect:
    """The results for the form's file, as a page."""
    return _results_page(uploaded_photo)


@forms.route("/demo_url", methods=["GET", "POST"])
def demo_url() -> Response | Redirect:
    """The results for the form's address, as a page."""
    return _results_page(fetched_photo)


@admin.post("/reset")
def reset_results() -> Response | Redirect:
    """Delete every stored result of this API."""
    check_admin()
    store, count = services().store, 0
    for id in store.api_run_ids(API):
        with suppress(NotFound):  # It has expired in the meantime.
            store.delete_run(id)
            count += 1
    if request.accept_mimetypes.best_match(["text/html", "text/plain"]) == "text/plain":
        return Response(f"Deleted {count} stored results.\n", mimetype="text/plain")
    return redirect(url_for("data_science_pages.upload"), 303)


@admin.post("/log")
def show_log() -> str:
    """The last requests to this API."""
    check_admin()
    return render_template("classic/log.html", entries=request_log.entries())


def _results_page(read_photo: Callable[[], tuple[str, bytes]]) -> Response | Redirect:
    if request.method == "GET":
        return redirect(url_for("data_science_pages.upload"), 303)
    return analyse_photo(*read_photo(), _page)


def _page(results: dict[str, str]) -> Response:
    parsed = results | {name: json.loads(results[name]) for name in ("resnet", "yolov3")}
    return make_response(render_template("classic/results.html", results=parsed, json=json.dumps(results, indent=2)))


def _refused(error: PublicError) -> Response:
    page = make_response(render_template("classic/upload.html", error=error.message), error.status)
    page.headers.update(error.headers)
    return page
