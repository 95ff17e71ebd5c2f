"""Runs and results as JSON values, the same in the API and in webhooks. Does not import Flask."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.store.models import Analysis, Run
from app.vision.results import Analysed, ModelCard
from app.vision.view import View


def view_of(run: Run, args: Mapping[str, Any], default_threshold: float) -> View:
    """The view that arguments ask for; what they leave out comes from the run's own options. Raises BadRequest."""
    defaults = {name: value for name in ("threshold", "classes") if (value := run.options.get(name)) is not None}
    return View.from_args({**defaults, **args}, default_threshold)


def describe_run(run: Run, view: View) -> dict[str, Any]:
    """A run without its results, position and links."""
    return {
        "id": run.id,
        "state": run.state,
        "name": run.name,
        "created_at": run.created_at.isoformat(),
        "started_at": run.started_at and run.started_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "expires_at": run.expires_at and run.expires_at.isoformat(),
        "photo": {name: getattr(run.photo, name) for name in ("sha256", "format", "width", "height", "bytes")},
        "analyses": [_describe_analysis(analysis) for analysis in run.analyses],
        "deduplicated": run.deduplicated,
        "threshold": view.threshold,
        "classes": None if view.classes is None else list(view.classes),
        "correction": run.correction,
        "request_id": run.options.get("request_id"),
        "error": run.error,
    }


def describe_results(
    run: Run, results: Mapping[str, Analysed], view: View, *, coordinates: str = "pixels", mask_form: str = "rle"
) -> dict[str, Any]:
    """The results of a run and their durations: the members `timings` and `results`."""
    scale = 1 / np.asarray((run.photo.width, run.photo.height)) if coordinates == "normalized" else np.ones(2)
    return {
        "timings": _timings(run, results),
        "results": {name: describe_result(analysed, view, scale, mask_form) for name, analysed in results.items()},
    }


def describe_result(analysed: Analysed, view: View, scale: np.ndarray, mask_form: str) -> dict[str, Any]:
    """One analysis's result: `schemas.ResultOut`. scale: (2,) factors of x and y."""
    return {"model": describe_model(analysed.card), **analysed.result.to_json(view, scale, mask_form)}


def describe_model(card: ModelCard) -> dict[str, Any]:
    """A model: `schemas.ModelOut`."""
    return {name: getattr(card, name) for name in ("analyzer", "model", "title", "version", "checkpoint", "note")}


def _describe_analysis(analysis: Analysis) -> dict[str, Any]:
    return {
        "analyzer": analysis.analyzer,
        "model": analysis.identity,
        "state": analysis.state,
        "seconds": analysis.seconds,
        "error": analysis.error,
    }


def _timings(run: Run, results: Mapping[str, Analysed]) -> dict[str, Any]:
    def between(start: Any, end: Any) -> float | None:
        return max(0.0, (end - start).total_seconds()) if start and end else None

    return {
        "waited": between(run.created_at, run.started_at),
        "worked": between(run.started_at, run.finished_at),
        "total": between(run.created_at, run.finished_at),
        "steps": {name: analysed.timings for name, analysed in results.items()},
    }
