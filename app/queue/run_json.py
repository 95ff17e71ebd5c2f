"""Runs and results as plain JSON values, the same in the API's answers and in webhooks. Knows no Flask."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.store.models import Analysis, Run
from app.vision import masks
from app.vision.results import LANDMARKS, RLE, Analysed, Faces, Instances, Labels, ModelCard
from app.vision.view import View, shown_scores


def view_of(run: Run, args: Mapping[str, Any], default_threshold: float) -> View:
    """The view that arguments ask for, with what the run asked for where they name nothing. Raises BadRequest."""
    asked = {name: run.options[name] for name in ("threshold", "classes") if run.options.get(name) is not None}
    return View.from_args({**asked, **args}, default_threshold)


def described(run: Run, view: View) -> dict[str, Any]:
    """A run without its results, and without what only the queue and the web know."""
    return {
        "id": run.id,
        "state": run.state,
        "name": run.name,
        "created_at": run.created_at.isoformat(),
        "started_at": run.started_at and run.started_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "expires_at": run.expires_at and run.expires_at.isoformat(),
        "photo": {name: getattr(run.photo, name) for name in ("sha256", "format", "width", "height", "bytes")},
        "analyses": [_analysis(analysis) for analysis in run.analyses],
        "deduplicated": run.deduplicated,
        "threshold": view.threshold,
        "classes": None if view.classes is None else list(view.classes),
        "batch": run.batch_id,
        "error": run.error,
    }


def found(
    run: Run, results: Mapping[str, Analysed], view: View, *, coordinates: str = "pixels", mask_form: str = "rle"
) -> dict[str, Any]:
    """What a run found, and how long it took: the members `timings` and `results`."""
    scale = 1 / np.asarray((run.photo.width, run.photo.height)) if coordinates == "normalized" else np.ones(2)
    return {
        "timings": _timings(run, results),
        "results": {name: result(analysed, view, scale, mask_form) for name, analysed in results.items()},
    }


def result(analysed: Analysed, view: View, scale: np.ndarray, mask_form: str) -> dict[str, Any]:
    """One analysis's result: `schemas.ResultOut`. scale: (2,), what x and y are multiplied by."""
    found = analysed.result
    if isinstance(found, Instances):
        shown = {"kind": "instances", "instances": instances(view.select(found), scale, mask_form)}
    elif isinstance(found, Faces):
        shown = {"kind": "faces", "faces": _faces(found, view, scale)}
    else:
        shown = {"kind": "labels", "labels": _labels(found)}
    return {"model": model(analysed.card), **shown}


def instances(found: Instances, scale: np.ndarray, mask_form: str) -> list[dict[str, Any]]:
    """Instances as JSON, each with its mask as `rle`, `polygon` or `none`."""
    boxes = found.boxes.astype(float) * np.tile(scale, 2)
    forms: list[Any] = [None] * len(found)
    if found.masks is not None and mask_form != "none":
        forms = [_rle(mask) if mask_form == "rle" else _polygons(mask, scale) for mask in found.masks]
    scores = shown_scores(found.scores)
    return [
        {"class": name, "score": float(score), "box": box.tolist(), "mask": mask}
        for name, score, box, mask in zip(found.names, scores, boxes, forms, strict=True)
    ]


def model(card: ModelCard) -> dict[str, Any]:
    """Who answered: `schemas.ModelOut`."""
    return {name: getattr(card, name) for name in ("analyzer", "model", "title", "version", "checkpoint", "note")}


def _analysis(analysis: Analysis) -> dict[str, Any]:
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


def _faces(found: Faces, view: View, scale: np.ndarray) -> list[dict[str, Any]]:
    boxes, points = found.boxes.astype(float) * np.tile(scale, 2), found.landmarks.astype(float) * scale
    scores = shown_scores(found.scores)
    return [
        {
            "score": float(scores[i]),
            "box": boxes[i].tolist(),
            "landmarks": dict(zip(LANDMARKS, points[i].tolist(), strict=True)),
        }
        for i in np.flatnonzero(view.above(found.scores))
    ]


def _labels(found: Labels) -> list[dict[str, Any]]:
    return [{"class": name, "score": float(s)} for name, s in zip(found.names, found.scores, strict=True)]


def _rle(mask: RLE) -> dict[str, Any]:
    return {"size": list(mask.size), "counts": mask.counts}


def _polygons(mask: RLE, scale: np.ndarray) -> list[Any]:
    return [(np.asarray(polygon, float) * scale).tolist() for polygon in masks.polygons(mask)]
