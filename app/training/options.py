"""The options of `python -m app.training`."""

import argparse
import math
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from app.datasets.classes import CHOICES
from app.training.choice import PARTS, Part

# Photos of a step, where the heads learn and where the whole network does.
BATCH: Final[dict[Part, int]] = {"heads": 8, "all": 2}
# Peak learning rates: of many weights, and where the rows of a few classes learn alone.
LR, KEEPING_LR = 2e-4, 1e-3


def parse(arguments: Sequence[str], description: str | None = None) -> argparse.Namespace:
    """The options; of a wrong one argparse prints what is wrong, and raises SystemExit."""
    parser = argparse.ArgumentParser(
        prog="python -m app.training", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="COCO-format folder")
    parser.add_argument("--base", default="starter", help="catalogue name of the model to start from")
    parser.add_argument("--config", type=Path, help="MMDetection config to train, instead of the base's own")
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    parser.add_argument(
        "--classes", choices=CHOICES, default="data", help="the model's: those of the base and the data, or the data's"
    )
    parser.add_argument(
        "--train",
        choices=PARTS,
        help="what learns: the heads, or all that is not frozen (default: the heads for little time)",
    )
    parser.add_argument("--epochs", type=_positive, default=12, help="number of passes over the photos")
    parser.add_argument("--steps", type=_count, help="number of steps, instead of epochs")
    parser.add_argument("--batch", type=_count, help="photos per step and process (default: 8 for heads, else 2)")
    parser.add_argument(
        "--lr", type=_positive, help="peak learning rate (default: 2e-4; 1e-3 with --classes base+data)"
    )
    parser.add_argument("--validation", type=_share, default=0.1, help="share of the photos kept for validation")
    parser.add_argument("--validation-data", type=Path, help="COCO-format folder to validate on, instead of a share")
    parser.add_argument("--minutes", type=_positive, help="time that the steps take, about, instead of epochs")
    parser.add_argument("--evaluations", type=_count, default=4, help="number of evaluations")
    parser.add_argument(
        "--short",
        type=_count,
        nargs=2,
        metavar=("MIN", "MAX"),
        help="range of the short side in pixels (default: up to the size in the config's test pipeline)",
    )
    parser.add_argument("--freeze", nargs="*", help="prefixes of parameters that are not trained")
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto", help="auto: bf16 where fast")
    parser.add_argument("--test", type=Path, help="COCO-format folder to evaluate the best weights on at the end")
    parser.add_argument("--seed", type=partial(_count, minimum=0), default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: CUDA where it works")
    parser.add_argument("--skip-bad", action="store_true", help="leave bad photos and annotations out")
    return parser.parse_args(arguments)


def _count(text: str, minimum: int = 1) -> int:
    if not text.isdecimal() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of at least {minimum}")
    return int(text)


def _positive(text: str) -> float:
    with suppress(ValueError):
        if 0 < (number := float(text)) < math.inf:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def _share(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (number := float(text)) <= 1:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
