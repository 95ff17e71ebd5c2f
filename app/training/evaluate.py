"""`python -m app.training.evaluate MODEL FOLDER`: average precision of a model on a folder of labelled photos.

The folder is in COCO format (see `app.datasets.coco`). The last line printed is one JSON object.
"""

import argparse
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from app.config.settings import Settings, SettingsError
from app.datasets.coco import CocoData, read_coco
from app.datasets.errors import DataError
from app.intake import decode
from app.training.recall import recall
from app.training.scores import score
from app.vision.analyses.analysis import Analyzer
from app.vision.analyses.objects.result import Instances
from app.vision.analyses.offer import analyzer
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import CatalogueError


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.training.evaluate", description=__doc__)
    parser.add_argument("model", help="a name in the catalogue, the folder of a training, or auto")
    parser.add_argument("data", type=Path, help="the folder of photos and annotations")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    try:
        settings = Settings.from_env({**os.environ, "MODEL": options.model})
        detector = analyzer("objects", settings)
        detector.load(settings.device)
        data = read_coco(options.data, skip_bad=True)
    except (SettingsError, CatalogueError, CheckpointError, DataError) as error:
        print(*getattr(error, "problems", ()), error, sep="\n", file=sys.stderr)
        return 1
    for problem in data.problems:
        print(f"left out: {problem}", file=sys.stderr)
    predictions = predict(detector, data)
    scores = score(data, predictions)
    found = recall(data, predictions, settings.threshold)
    card = detector.card
    print(f"{card.title} ({card.identity}) on {options.data}: {scores['photos']} photos")
    for kind in ("box", "mask"):
        if scores[kind]:
            print(f"{kind:>5}: AP {scores[kind]['AP']}  AP50 {scores[kind]['AP50']}")
    share = f"{sum(n for n, _ in found.values())} of {sum(n for _, n in found.values())} objects"
    print(f"found at a score of {settings.threshold:g}: {share}")
    print(json.dumps({"model": card.model, "identity": card.identity, **scores, "found": found}))
    return 0


def predict(detector: Analyzer, data: CocoData) -> dict[int, Instances]:
    """Predictions of a loaded detector by image id. Classes of the photos that it does not have are printed."""
    used = {data.classes[label] for sample in data.samples for label in sample.labels}
    if missing := [name for name in data.classes if name in used and name not in detector.card.classes]:
        print(f"The model cannot find these classes: {', '.join(missing)}.", file=sys.stderr)
    predictions = {}
    for sample in tqdm(data.samples, unit="photo"):
        result = detector.analyse(decode(sample.path.read_bytes())).result
        assert isinstance(result, Instances)
        predictions[sample.image_id] = result
    return predictions


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
