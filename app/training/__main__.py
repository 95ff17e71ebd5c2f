"""`python -m app.training`: fine-tune a detector on a folder of labelled photos.

    python -m app.training --data photos/ --base starter --out trained/

The output folder holds the best weights with their config and catalogue entry (serve them with `MODEL=trained/`),
`report.html`, and the state of an unfinished training: the same command resumes it.
On several cores or GPUs: `torchrun --nproc-per-node 2 -m app.training ...`.
"""

import argparse
import hashlib
import json
import logging
import math
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from app.config.settings import Settings, SettingsError
from app.datasets.coco import CocoData, read_coco, split
from app.datasets.compared import MISTAKES_FILE
from app.datasets.errors import DataError
from app.training.config import normalisation, read_config, short_sides, training_config
from app.training.dataset import Augmentation, TrainingSet
from app.training.errors import TrainingError
from app.training.evaluate import predict
from app.training.judge import Judge, load, load_base
from app.training.loop import Plan, Trainer, steps_within, world_size
from app.training.model import build, freeze
from app.training.precision import bf16_is_fast, use_bf16, use_channels_last
from app.training.report import read_log, write_report
from app.training.scores import rank, score
from app.vision.catalogue.checkpoints import CheckpointError, load_weights, sha256_of
from app.vision.catalogue.models import CatalogueError, Model
from app.vision.catalogue.zoo import find_model, only_model
from app.vision.engine.device import mmcv_device


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    options = parse(arguments)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    try:
        test = _read(options.test, skip_bad=True) if options.test else None
        validation = _read(options.validation_data, skip_bad=options.skip_bad) if options.validation_data else None
        train(options, _read(options.data, skip_bad=options.skip_bad), validation, test)
    except DataError as error:
        print("\n".join([*error.problems, str(error)]), file=sys.stderr)
        return 1
    except (SettingsError, CatalogueError, CheckpointError, TrainingError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command resumes from the last saved step.", file=sys.stderr)
        return 130
    return 0


def _read(folder: Path, *, skip_bad: bool) -> CocoData:
    data = read_coco(folder, skip_bad=skip_bad)
    for problem in data.problems:
        print(f"left out: {problem}", file=sys.stderr)
    if crowds := sum(len(sample.ignored) for sample in data.samples):
        print(f"{crowds} regions are marked as crowds and neither learned nor counted.", file=sys.stderr)
    return data


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m app.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="COCO-format folder")
    parser.add_argument("--base", default="starter", help="catalogue name of the model to start from")
    parser.add_argument("--config", type=Path, help="MMDetection config to train, instead of the base's own")
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    parser.add_argument("--epochs", type=_positive, default=12, help="number of passes over the photos")
    parser.add_argument("--steps", type=_count, help="number of steps, instead of epochs")
    parser.add_argument("--batch", type=_count, default=2, help="photos per step and process")
    parser.add_argument("--lr", type=_positive, default=2e-4, help="peak learning rate")
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


# The early layers of a backbone: expensive to train, and general enough after ImageNet.
FROZEN = {
    "EfficientNetLite": ("backbone.stem.", *(f"backbone.blocks.{index}." for index in range(4))),
    "EfficientNetLite0": ("backbone.stem.", "backbone.blocks.0.", "backbone.blocks.1.", "backbone.blocks.2."),
    "ResNet": ("backbone.conv1.", "backbone.layer1."),
}


def train(options: argparse.Namespace, data: CocoData, given: CocoData | None, test: CocoData | None) -> None:
    """Train, evaluate, keep the best weights and write the report."""
    settings = Settings.from_env()
    if (options.out / "models.toml").is_file() and not (options.out / "last.pth").is_file():
        raise TrainingError(f"{options.out} holds a model but no last.pth to resume from; choose another --out.")
    options.device = mmcv_device(options.device).type
    base = find_model(options.base)
    path = base.path(settings.checkpoints_path)
    if path is None or base.config is None or not path.is_file():
        raise CheckpointError(f"{base.title} is not installed; run `make weights MODEL={base.name}`.")
    weights = load_weights(path, base)
    original = read_config(options.config or base.config)
    config = training_config(original, data.classes)
    torch.manual_seed(options.seed)
    model, fresh = build(config, weights.tensors(), base.classes or weights.classes, data.classes)
    if fresh:
        print(f"Initialised at random, because the base has no matching weights: {', '.join(fresh)}.", file=sys.stderr)
    frozen = FROZEN.get(original.model.backbone.type, ()) if options.freeze is None else options.freeze
    freeze(model, frozen)
    use_channels_last(model)
    if options.precision == "bf16" or (options.precision == "auto" and bf16_is_fast(options.device)):
        use_bf16(model, options.device)
    if given and given.classes != data.classes:
        raise DataError(f"{options.validation_data} has other classes than {options.data}.")
    learning, validation = (data, given) if given else split(data, options.validation, options.seed)
    short = tuple(sorted(options.short)) if options.short else short_sides(original)
    examples = TrainingSet(
        learning, normalisation(original), Augmentation(short=short, long=short[1] * 5 // 3), options.seed
    )
    if options.minutes and not (options.out / "last.pth").is_file():
        options.steps = steps_within(model, examples, options)
    plan = _plan(options, len(examples))
    origin = {
        "--data": hashlib.sha256(json.dumps(data.truth, default=bytes.decode).encode()).hexdigest(),
        "--base": sha256_of(path),
        "--config": hashlib.sha256(config.pretty_text.encode()).hexdigest(),
        "--freeze": " ".join(frozen),
        **{f"--{name}": str(getattr(options, name)) for name in ("validation", "seed", "batch")},
    }
    trainer = Trainer(model, examples, plan, options.out, options.device, origin)
    if trainer.resume(with_plan=bool(options.minutes)):
        plan = trainer.plan
        print(f"Resuming from step {trainer.step} of {plan.steps}.", flush=True)
    trainer.tell_plan()
    judge = Judge(options.out, config, base, validation, options.device)
    began = time.monotonic()
    trainer.run(judge)
    if trainer.rank == 0:
        facts = {
            "Base": base.title,
            "Photos": f"{len(learning.samples)} for training, {len(validation.samples)} for validation",
            "Classes": len(data.classes),
            "Steps": f"{plan.steps} of {options.batch * trainer.world} photos, seed {options.seed}",
            "This session": f"{(time.monotonic() - began) / 60:.1f} minutes on {options.device}",
            "Best box AP": "none: no validation photo has objects" if judge.best < 0 else f"{judge.best:.2f}",
            "Licence": base.licence,
        }
        report(options, facts, validation, test)
        _write_card(options, base, plan, learning, validation)


def _write_card(options: argparse.Namespace, base: Model, plan: Plan, learning: CocoData, validation: CocoData) -> None:
    """Write `card.json`: what the model was made of, and its precision beside the base's on the same photos."""
    measured = [entry["scores"] for entry in read_log(options.out / "log.jsonl") if "scores" in entry]
    card = {
        "base": base.title,
        "photos": len(learning.samples),
        "steps": plan.steps,
        "seed": options.seed,
        "scores": max(measured, key=rank, default=None),
        "base_scores": _scores_of(base, options, validation),
        **json.loads((options.out / MISTAKES_FILE).read_text()),
    }
    (options.out / "card.json").write_text(json.dumps(card))


def _scores_of(base: Model, options: argparse.Namespace, validation: CocoData) -> dict[str, Any] | None:
    """The precision of the base on the validation photos; None where it knows none of their classes."""
    detector = load_base(base, validation.classes, options.device)
    return score(validation, predict(detector, validation)) if detector else None


def _plan(options: argparse.Namespace, photos: int) -> Plan:
    steps = options.steps or max(1, round(options.epochs * photos / options.batch / world_size()))
    return Plan(
        steps=steps,
        batch=options.batch,
        lr=options.lr,
        warmup=min(50, steps // 10),
        seed=options.seed,
        ema=min(0.998, 1 - 5 / (steps + 5)),
        save_every=max(1, min(250, steps // 4)),
        evaluate_every=math.ceil(steps / options.evaluations),
    )


def report(options: argparse.Namespace, facts: dict[str, Any], validation: CocoData, test: CocoData | None) -> None:
    """Write the report of the best weights, with their predictions on the validation and test photos."""
    detector = load(only_model(options.out), options.out, options.device)
    sheets = {"Validation photos": (validation, predict(detector, validation))}
    if test:
        found = predict(detector, test)
        scores = score(test, found)
        line = ", ".join(f"{kind} AP {scores[kind]['AP']}" for kind in ("box", "mask") if scores[kind])
        facts[f"On {test.folder}"] = f"{line}, {scores['photos']} photos"
        sheets["Test photos"] = (test, found)
    path = write_report(options.out, "Training report", facts, sheets)
    print(f"Report: {path}\nServe it: MODEL={options.out.resolve()} make up")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
