"""Runs and results as the API shows them: a view of the stored result in the shapes of `schemas`."""

from collections.abc import Mapping
from typing import Any

from flask import request, url_for

from app.queue import run_json as shapes
from app.queue.services import Services
from app.store.models import FINISHED, QUEUED, Run
from app.vision.view import View
from app.web.common.services import services


def view_of(run: Run, args: Mapping[str, Any]) -> View:
    """The view that a request asks for, with what the run asked for where it names nothing. Raises BadRequest."""
    return shapes.view_of(run, args, services().settings.threshold)


def absolute(path: str) -> str:
    """A path of ours as people outside reach it: under PUBLIC_URL, or where the request came to."""
    root = services().settings.public_url or request.url_root
    return root.rstrip("/") + path.removeprefix(request.script_root)


def summary(run: Run) -> dict[str, Any]:
    """A run without its results: `schemas.RunSummary`."""
    return told(services(), run, links(run))


def told(held: Services, run: Run, links: Mapping[str, str]) -> dict[str, Any]:
    """The same outside of a request, with the links that were made inside of it."""
    return {
        **shapes.described(run, shapes.view_of(run, {}, held.settings.threshold)),
        "position": held.jobs.position(run) if run.state == QUEUED else None,
        "eta": None if run.state in FINISHED else held.jobs.eta(run),
        "links": links,
    }


def full(run: Run, args: Mapping[str, Any], *, coordinates: str = "pixels", mask_form: str = "rle") -> dict[str, Any]:
    """A run with the view of its results that the arguments ask for: `schemas.Run`. Raises BadRequest."""
    view = view_of(run, args)
    results = services().store.results(run)
    return {
        **summary(run),
        **shapes.described(run, view),
        **shapes.found(run, results, view, coordinates=coordinates, mask_form=mask_form),
    }


def links(run: Run) -> dict[str, str]:
    """The addresses of everything that belongs to a run."""
    endpoints = {
        "self": "get_run",
        "image": "get_image",
        "export": "get_export",
        "events": "get_events",
        "cancel": "cancel_run",
    }
    found = {name: absolute(url_for(f"api.{endpoint}", run_id=run.id)) for name, endpoint in endpoints.items()}
    return {**found, "page": absolute(f"{request.script_root}/runs/{run.id}")}
