"""Runs and results in the shapes of `schemas`."""

from collections.abc import Mapping
from typing import Any

from flask import url_for

from app.queue import run_json
from app.queue.services import Services
from app.store.models import Run
from app.store.states import FINISHED
from app.vision.view import View
from app.web.common.keys import caller_owns
from app.web.common.services import services
from app.web.common.urls import absolute_url


def requested_view(run: Run, args: Mapping[str, Any]) -> View:
    """The view that a request asks for; what it leaves out comes from the run's own options. Raises BadRequest."""
    return run_json.view_of(run, args, services().settings.threshold)


def run_summary(run: Run, view: View | None = None) -> dict[str, Any]:
    """A run without its results: `schemas.RunSummary`. view: None for the run's own."""
    return build_summary(services(), run, run_links(run), own=caller_owns(run.owner), view=view)


def build_summary(
    services: Services, run: Run, links: Mapping[str, str], *, own: bool, view: View | None = None
) -> dict[str, Any]:
    """The same outside a request, with links that were made inside one.

    own: whether the caller owns the run. Nobody else learns of the batch, whose id opens its other runs.
    """
    progress = None if run.state in FINISHED else services.jobs.progress(run)
    return {
        **run_json.describe_run(run, view or run_json.view_of(run, {}, services.settings.threshold)),
        "batch": run.batch_id if own else None,
        "position": progress and progress.position,
        "eta": progress and progress.eta,
        "links": links,
    }


def run_with_results(
    run: Run, args: Mapping[str, Any], *, coordinates: str = "pixels", mask_form: str = "rle"
) -> dict[str, Any]:
    """A run with its results in the view that the arguments ask for: `schemas.Run`. Raises BadRequest."""
    view = requested_view(run, args)
    results = services().store.results_from(run, view.source)
    return {
        **run_summary(run, view),
        **run_json.describe_results(run, results, view, coordinates=coordinates, mask_form=mask_form),
    }


def batch_with_runs(batch_id: str) -> dict[str, Any]:
    """A batch: `schemas.Batch`. Raises NotFound."""
    store = services().store
    batch = store.get_batch(batch_id)
    return {"id": batch.id, "runs": [run_summary(run) for run in store.batch_runs(batch_id)], "refused": batch.refused}


def run_links(run: Run) -> dict[str, str]:
    """The absolute URLs of everything that belongs to a run."""
    address = absolute_url(url_for("api.get_run", run_id=run.id))
    parts = {name: f"{address}/{name}" for name in ("image", "correction", "export", "events", "cancel")}
    return {"self": address, **parts, "page": absolute_url(url_for("run.page", run_id=run.id))}
