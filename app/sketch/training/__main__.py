"""`python -m app.sketch.training`: train the drawing recogniser and measure it by cross-validation.

    python -m app.sketch.training --strokes FOLDER ... --bitmaps FOLDER ... --out checkpoints/

Each fold's network is trained without a fifth of the drawings of the six animals and without a fifth of the other
words, and measured on these. All networks together are served. Without folders, the official files are downloaded
first.
"""

import argparse
import importlib.util
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from app.sketch import ANIMALS
from app.sketch.training.data import SketchDataError, read_bitmaps, read_drawings
from app.sketch.training.download import OFFICIAL, download_bitmaps, download_strokes
from app.sketch.training.networks import NAMES
from app.sketch.training.recipe import Recipe, cross_validate, render
from app.sketch.training.words import WORDS


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    if importlib.util.find_spec("onnx") is None:
        print("The package onnx is needed to write the networks; run `make install`.", file=sys.stderr)
        return 1
    try:
        strokes, bitmaps = _folders(options)
        drawings = read_drawings(*strokes)
        missing = set(ANIMALS) - {drawing.word for drawing in drawings}
        if missing:
            raise SketchDataError(f"{', '.join(map(str, strokes))} has no drawings of {', '.join(sorted(missing))}.")
        recipe = Recipe(
            folds=options.folds,
            seed=options.seed,
            versions=options.versions,
            animal_versions=options.animal_versions,
        )
        start = time.monotonic()
        print(f"{len(drawings)} drawings; rendering variations of them.", flush=True)
        material = render(drawings, read_bitmaps(*bitmaps), recipe)
        print(f"{material.count} bitmaps, {time.monotonic() - start:.0f} s", flush=True)
        for name in options.network:
            cross_validate(name, material, recipe, options.steps, options.out)
    except (SketchDataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. The same command goes on after the last whole fold.", file=sys.stderr)
        return 130
    return 0


def _folders(options: argparse.Namespace) -> tuple[list[Path], list[Path]]:
    """The folders of drawings and of bitmaps, downloaded from the official source if none is given."""
    if options.strokes:
        return options.strokes, options.bitmaps
    strokes, bitmaps = options.data / "strokes", options.data / "bitmaps"
    print(f"Downloading {options.each} drawings each of {len(WORDS)} words from {options.source}", flush=True)
    download_strokes(WORDS, strokes, options.each, options.source)
    download_bitmaps(ANIMALS, bitmaps, options.each_bitmap, options.source)
    return [strokes], [bitmaps]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m app.sketch.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--strokes", nargs="+", type=Path, help="folders of ndjson files named by word; default: download them"
    )
    parser.add_argument(
        "--bitmaps", nargs="+", type=Path, default=[], help="folders of npy files of 28x28 bitmaps of the six animals"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the networks, sketch_<name>.onnx and .json")
    parser.add_argument("--network", nargs="+", choices=NAMES, default=list(NAMES), help="networks to train")
    parser.add_argument("--steps", type=int, help="steps for each fold; default: by network")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--versions", type=int, default=2, help="variations of each drawing of other words")
    parser.add_argument("--animal-versions", type=int, default=80, help="variations of each drawing of the six")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("data/quickdraw"), help="folder for downloaded files")
    parser.add_argument("--source", default=OFFICIAL, help="address of the official files")
    parser.add_argument("--each", type=int, default=400, help="drawings of each word to download")
    parser.add_argument("--each-bitmap", type=int, default=3000, help="bitmaps of each of the six to download")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
