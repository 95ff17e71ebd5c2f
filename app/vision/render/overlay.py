"""A stored result as JSON for the browser, which draws it over the photo and filters it without asking again."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from app.vision import masks
from app.vision.render.palette import colour, text_colour
from app.vision.results import RLE, Analysed, Faces, Instances, Labels
from app.vision.view import shown_scores

# Changes when the same results are answered otherwise, so that what is kept of them is made anew.
VERSION = "1"


def overlay(results: Mapping[str, Analysed], size: tuple[int, int] | None = None) -> dict[str, Any]:
    """Everything stored, at every score, ready to draw.

    Args:
        results: stored results by analyzer.
        size: (height, width) of the photo, for results that do not say it.

    Returns:
        width, height: of the photo (None if unknown).
        instances: each with id (its place in the stored result, best first), class, score (four decimals), colour,
            text_colour, box [x1, y1, x2, y2] and polygons: rings [x, y, x, y, ...] of whole pixels, outlines and holes
            alike, to be filled by the even-odd rule; none for a model without masks.
        faces: id, class, score, colour, text_colour, box and five landmarks [x, y].
        labels: name and score of what the whole photo shows.
        classes: name, colour, text_colour and count of each class found, the most frequent first.
        counts: number of instances (and faces) by class.
    """
    found = [analysed.result for analysed in results.values()]
    instances = [entry for r in found if isinstance(r, Instances) for entry in _instances(r)]
    faces = [entry for r in found if isinstance(r, Faces) for entry in _faces(r)]
    for id, entry in enumerate(instances):
        entry["id"] = id
    height, width = next((r.size for r in found if isinstance(r, (Instances, Faces))), size or (None, None))
    counts = Counter(entry["class"] for entry in [*instances, *faces])
    return {
        "width": width,
        "height": height,
        "instances": instances,
        "faces": faces,
        "labels": [entry for r in found if isinstance(r, Labels) for entry in _labels(r)],
        "classes": [{"name": name, "count": count, **_colours(name)} for name, count in counts.most_common()],
        "counts": dict(counts),
    }


def rings(rle: RLE) -> list[list[int]]:
    """A mask's outlines and holes as [x, y, x, y, ...], simplified as far as a screen does not show it."""
    parts = masks.parts(rle, masks.unseen_tolerance(rle))
    found = [ring for part in parts for ring in (part.outline, *part.holes)]
    return [ring.round().astype(int).ravel().tolist() for ring in found]


def _instances(instances: Instances) -> list[dict[str, Any]]:
    scores = shown_scores(instances.scores).tolist()
    polygons = [[]] * len(scores) if instances.masks is None else [rings(rle) for rle in instances.masks]
    return [
        {"id": id, "class": name, "score": score, **_colours(name), "box": _pixels(box), "polygons": outline}
        for id, (name, score, box, outline) in enumerate(
            zip(instances.names, scores, instances.boxes, polygons, strict=True)
        )
    ]


def _faces(faces: Faces) -> list[dict[str, Any]]:
    scores = shown_scores(faces.scores).tolist()
    rows = enumerate(zip(scores, faces.boxes, faces.landmarks, strict=True))
    return [
        {
            "id": id,
            "class": "face",
            "score": score,
            **_colours("face"),
            "box": _pixels(box),
            "landmarks": [_pixels(point) for point in landmarks],
        }
        for id, (score, box, landmarks) in rows
    ]


def _labels(labels: Labels) -> list[dict[str, Any]]:
    scores = shown_scores(np.array(labels.scores)).tolist()
    return [{"name": name, "score": score} for name, score in zip(labels.names, scores, strict=True)]


def _colours(name: str) -> dict[str, str]:
    return {"colour": colour(name), "text_colour": text_colour(colour(name))}


def _pixels(values: np.ndarray) -> list[float]:
    return np.round(np.asarray(values, np.float64), 1).tolist()
