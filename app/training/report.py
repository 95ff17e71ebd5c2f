"""The report of a training: curves, scores by class, and predictions beside the ground truth."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from app.datasets.coco import CocoData, Sample
from app.intake import decode
from app.training.comparison import truth_instances
from app.training.scores import rank
from app.vision.analyses.objects.result import Instances
from app.vision.render.picture import annotate
from app.vision.results import Analysed, ModelCard
from app.vision.view import View

matplotlib.use("Agg")
from matplotlib import pyplot as plt

PHOTO_SIDE, CELL = 640, 400
# Number of photos per set in the report, and the threshold of the instances drawn on them.
MAX_PHOTOS, THRESHOLD = 24, 0.4
CURVES = ("loss", "loss_cls", "loss_bbox", "loss_mask", "loss_rpn_cls", "loss_rpn_bbox")
TRUTH = ModelCard("objects", "truth", "Truth", "1", "")


def write_report(
    folder: Path, title: str, facts: Mapping[str, Any], sets: Mapping[str, tuple[CocoData, Mapping[int, Instances]]]
) -> Path:
    """Write `report.html` with its pictures into `folder`, from the `log.jsonl` there.

    Args:
        facts: name and value of each line of the summary table (data, seed, time, licence ...).
        sets: by title, data and its predictions by image id. The first MAX_PHOTOS of each set are shown on a contact
            sheet, those of the first set also one by one beside the ground truth.
    """
    pictures = folder / "report"
    pictures.mkdir(exist_ok=True)
    entries = read_log(folder / "log.jsonl")
    draw_curves(entries, pictures / "curves.svg")
    measured = [entry for entry in entries if "scores" in entry]
    best = max(measured, key=lambda entry: rank(entry["scores"]), default=None)
    sheets = {
        name: _sheet(data, predictions, pictures / f"sheet-{i}.jpg")
        for i, (name, (data, predictions)) in enumerate(sets.items())
    }
    data, predictions = next(iter(sets.values()))
    pairs = [_pair(sample, data, predictions[sample.image_id], pictures) for sample in data.samples[:MAX_PHOTOS]]
    page = Environment(loader=PackageLoader("app.training", "."), autoescape=select_autoescape())
    html = page.get_template("report.html").render(title=title, facts=facts, best=best, sheets=sheets, pairs=pairs)
    path = folder / "report.html"
    path.write_text(html)
    return path


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a training's log, by step.

    A last line that was cut off by a crash is skipped; of repeated steps the last one counts.
    """
    entries = {}
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        entries[entry["step"], "scores" in entry] = entry
    return [entries[key] for key in sorted(entries)]


def draw_curves(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Plot the smoothed losses and the average precision by step, as SVG."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    steps = [entry["step"] for entry in entries if "loss" in entry]
    for name in CURVES:
        values = [entry.get(name, np.nan) for entry in entries if "loss" in entry]
        if values and not np.isnan(values).all():
            left.plot(steps, smooth(np.array(values)), label=name, linewidth=1.2)
    left.set(xlabel="step", ylabel="loss", ylim=(0, None))
    if steps:
        left.legend(fontsize=8)
    scored = [entry for entry in entries if "scores" in entry]
    for kind in ("box", "mask"):
        points = [(entry["step"], entry["scores"][kind]["AP"]) for entry in scored if entry["scores"].get(kind)]
        points = [(step, precision) for step, precision in points if precision is not None]
        if points:
            right.plot(*zip(*points, strict=True), marker="o", label=f"{kind} AP")
            right.legend(fontsize=8)
    right.set(xlabel="step", ylabel="AP, percent", ylim=(0, None))
    figure.savefig(path)
    plt.close(figure)


def smooth(values: np.ndarray, window: int = 50) -> np.ndarray:
    """Running mean of (N,) values over the last `window`, ignoring NaN."""
    known = np.cumsum(~np.isnan(values))
    total = np.cumsum(np.nan_to_num(values))
    before = np.maximum(np.arange(len(values)) - window, -1)
    count = known - np.where(before >= 0, known[before], 0)
    means: np.ndarray = (total - np.where(before >= 0, total[before], 0)) / np.maximum(count, 1)
    return means


def contact_sheet(pictures: Sequence[np.ndarray], columns: int, side: int) -> np.ndarray:
    """Arrange (H, W, 3) uint8 photos of any size in white square cells of `side` pixels."""
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * side, columns * side, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        small = _resize(picture, side - 6)
        y = i // columns * side + (side - small.shape[0]) // 2
        x = i % columns * side + (side - small.shape[1]) // 2
        sheet[y : y + small.shape[0], x : x + small.shape[1]] = small
    return sheet


def draw(rgb: np.ndarray, instances: Instances, threshold: float) -> np.ndarray:
    """The photo with its instances at or above the threshold drawn, (H, W, 3) uint8 RGB."""
    return annotate(rgb, {"objects": Analysed(TRUTH, instances)}, View(threshold=threshold, boxes=True))


def _sheet(data: CocoData, predictions: Mapping[int, Instances], path: Path) -> str:
    """Write a contact sheet of the first photos with their predictions, and return its file name."""
    samples = data.samples[:MAX_PHOTOS]
    drawn = (draw(decode(s.path.read_bytes()), predictions[s.image_id], THRESHOLD) for s in samples)
    # Resized one at a time: two dozen large photos would take gigabytes.
    _save(contact_sheet([_resize(picture, CELL) for picture in drawn], 4, CELL), path)
    return path.name


def _save(rgb: np.ndarray, path: Path) -> None:
    cv2.imwrite(str(path), rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def _pair(sample: Sample, data: CocoData, prediction: Instances, folder: Path) -> dict[str, str]:
    """Write ground truth and prediction of one photo, and return the names of both files."""
    rgb = decode(sample.path.read_bytes())
    names = {}
    for kind, instances in (("truth", truth_instances(sample, data.classes)), ("prediction", prediction)):
        name = f"{sample.image_id}-{kind}.jpg"
        _save(_resize(draw(rgb, instances, THRESHOLD), PHOTO_SIDE), folder / name)
        names[kind] = name
    return {**names, "name": sample.path.name}


def _resize(rgb: np.ndarray, side: int) -> np.ndarray:
    scale = side / max(rgb.shape[:2])
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
