"""`make eval MODEL=sketch DATA=<folder of ndjson files named by word>`: how well drawings are recognised.

Nothing is measured on what was learned from. A drawing of the six animals that the training had is judged by the one
network whose fold left it out, and so are all drawings of another word that it had, new ones of that word included:
on the training's own folder that is its cross-validation again. Any other drawing is judged as in serving, by all
networks together. The last line printed is one JSON object.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.sketch import ANIMALS, Recogniser, raster
from app.sketch.recogniser import Calibration
from app.sketch.training.calibrate import Outputs, measure
from app.sketch.training.data import Drawing, SketchDataError, read_drawings
from app.sketch.training.tell import tell

# By the names that `make eval MODEL=` takes.
MODELS = {"sketch": "small", "sketch_small": "small", "sketch_baseline": "baseline"}
_BATCH = 256


def main(arguments: Sequence[str], checkpoints: Path) -> int:
    """Measure a model of MODELS on a folder: arguments are its name and the folder. Returns the exit status."""
    model, folder = arguments
    try:
        recogniser = Recogniser.from_folder(checkpoints, MODELS[model])
        drawings = read_drawings(Path(folder))
    except (FileNotFoundError, SketchDataError) as error:
        print(error, file=sys.stderr)
        return 1
    measured = evaluate(recogniser, drawings)
    tell(measured)
    print(json.dumps({"model": model, "sha256": recogniser.card["sha256"], **measured}))
    return 0


def evaluate(recogniser: Recogniser, drawings: Sequence[Drawing]) -> dict[str, Any]:
    """The figures of `measure` for drawings, and how many of them were judged by a fold's network alone."""
    card = recogniser.card
    folds = np.array([fold_of(drawing, card) for drawing in drawings])
    bitmaps = np.stack([raster(drawing.strokes) for drawing in drawings])
    parts = [recogniser.logits(bitmaps[i : i + _BATCH]) for i in range(0, len(bitmaps), _BATCH)]
    of_all = np.concatenate(parts)
    alone = of_all[np.arange(len(folds)), np.maximum(folds, 0)]
    logits = np.where(folds[:, None] >= 0, alone, of_all.mean(axis=1))
    outputs = Outputs(card["words"], logits, [drawing.word for drawing in drawings], folds)
    of_fold = [Calibration(**calibration) for calibration in card["calibration_of_fold"]]
    measured = measure(outputs, of_fold, Calibration(**card["calibration"]))
    return {"cross_validated": int((folds >= 0).sum()), "new": int((folds < 0).sum()), **measured}


def fold_of(drawing: Drawing, card: dict[str, Any]) -> int:
    """The fold that left a drawing out of its learning; -1 for a drawing that none of them learned from."""
    folds = card["folds"]
    if drawing.word in ANIMALS:
        return int(folds["animals"].get(drawing.identity, -1))
    return int(folds["words"].get(drawing.word, -1))
