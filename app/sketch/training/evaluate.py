"""`python -m app.sketch.training.evaluate MODEL FOLDER ...`: how well drawings are recognised.

The folders hold ndjson files named by word. `make eval MODEL=sketch DATA=FOLDER` does the same.

No network is measured on drawings that it was trained on. A drawing of the six animals that was in the training data is
judged only by the network whose fold held it out, and so is every drawing of another word that was in it; on the
training data itself this repeats the cross-validation. Any other drawing is judged by all networks together, as in
serving. The last line printed is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.config.settings import Settings, SettingsError
from app.sketch import ANIMALS, Recogniser, raster
from app.sketch.recogniser import Calibration
from app.sketch.training.calibrate import Outputs, measure
from app.sketch.training.data import Drawing, SketchDataError, read_drawings
from app.sketch.training.report import print_measured

# The networks by the names that `make eval MODEL=` accepts.
MODELS = {"sketch": "small", "sketch_small": "small", "sketch_baseline": "baseline"}
_BATCH = 256


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m app.sketch.training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("data", nargs="+", type=Path, help="folders of ndjson files")
    options = parser.parse_args(arguments)
    try:
        recogniser = Recogniser.from_folder(Settings.from_env().checkpoints_path, MODELS[options.model])
        drawings = read_drawings(*options.data)
    except (SettingsError, FileNotFoundError, SketchDataError) as error:
        print(error, file=sys.stderr)
        return 1
    measured = evaluate(recogniser, drawings)
    print_measured(measured)
    print(json.dumps({"model": options.model, "sha256": recogniser.card["sha256"], **measured}))
    return 0


def evaluate(recogniser: Recogniser, drawings: Sequence[Drawing]) -> dict[str, Any]:
    """The figures of `measure`, and how many drawings were judged by one fold's network."""
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
    """The fold that held a drawing out; -1 for a drawing that was not in the training data."""
    folds = card["folds"]
    if drawing.word in ANIMALS:
        return int(folds["animals"].get(drawing.identity, -1))
    return int(folds["words"].get(drawing.word, -1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
