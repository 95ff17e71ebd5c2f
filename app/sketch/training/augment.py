"""Variations of a drawing: strokes moved, bent, left out or unfinished, then rasterised as in serving."""

import numpy as np
import numpy.typing as npt

from app.sketch import NothingDrawn, Strokes, raster

Rng = np.random.Generator


def variations(strokes: Strokes, count: int, rng: Rng) -> npt.NDArray[np.uint8]:
    """Bitmaps of a number of variations of a drawing, (count, 28, 28); the first is the drawing itself."""
    bitmaps = [raster(strokes)]
    while len(bitmaps) < count:
        try:
            bitmaps.append(raster(vary(strokes, rng)))
        except NothingDrawn:
            bitmaps.append(bitmaps[0])
    return np.stack(bitmaps)


def vary(strokes: Strokes, rng: Rng) -> Strokes:
    """A random variation: mirrored, rotated, stretched, sheared, bent; with strokes shifted, left out or unfinished."""
    points = np.concatenate(strokes)
    ends = np.cumsum([len(stroke) for stroke in strokes])
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) / max(float((high - low).max()), 1e-9) * 2
    points = _bend(points, rng) @ _affine(rng)
    sizes = np.diff(ends, prepend=0)
    points += np.repeat(rng.normal(0, 0.025, (len(sizes), 2)), sizes, axis=0)
    points += rng.normal(0, 0.008, points.shape)
    return _leave_out(np.split(points, ends[:-1]), rng)


def _affine(rng: Rng) -> npt.NDArray[np.float64]:
    angle = np.deg2rad(rng.normal(0, 9))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretch = np.diag(np.exp(rng.normal(0, 0.13, 2)))
    shear = np.array([[1.0, rng.normal(0, 0.12)], [rng.normal(0, 0.06), 1.0]])
    mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    matrix: np.ndarray = mirror @ rotation @ shear @ stretch
    return matrix


def _bend(points: npt.NDArray[np.float64], rng: Rng) -> npt.NDArray[np.float64]:
    """Shifts by a smooth random field: a few waves of about the drawing's size."""
    waves = rng.normal(0, 1.6, (2, 4))
    phases = rng.uniform(0, 2 * np.pi, 4)
    return points + np.sin(points @ waves + phases) @ rng.normal(0, 0.06, (4, 2))


def _leave_out(strokes: list[npt.NDArray[np.float64]], rng: Rng) -> Strokes:
    """Sometimes without some small strokes, or without the end of the last one."""
    lengths = np.array([np.abs(np.diff(stroke, axis=0)).sum() for stroke in strokes])
    if len(strokes) > 2 and rng.random() < 0.5:
        small = lengths < 0.25 * lengths.sum()
        kept = ~small | (rng.random(len(strokes)) > 0.15)
        strokes = [stroke for stroke, keep in zip(strokes, kept, strict=True) if keep]
    if rng.random() < 0.1:
        last = strokes[-1]
        strokes = [*strokes[:-1], last[: max(2, int(len(last) * rng.uniform(0.4, 1)))]]
    return strokes
