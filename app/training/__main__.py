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
from pathlib import Path
from typing import Any

import torch
from torch import nn

from app.config.settings import Settings, SettingsError
from app.datasets.classes import BOTH, classes_of
from app.datasets.coco import CocoData, read_coco, split
from app.datasets.compared import MISTAKES_FILE
from app.datasets.errors import DataError
from app.training.choice import part_of
from app.training.config import normalisation, read_config, short_sides, training_config
from app.training.dataset import Augmentation, TrainingSet
from app.training.errors import TrainingError
from app.training.evaluate import predict
from app.training.heads import heads_with_regions, most_steps
from app.training.judge import Judge, load, load_base
from app.training.loop import Examples, Plan, Trainer, steps_within, world_size
from app.training.model import build, freeze
from app.training.options import BATCH, KEEPING_LR, LR, parse
from app.training.precision import bf16_is_fast, use_bf16, use_channels_last
from app.training.report import read_log, write_report
from app.training.scores import rank, score
from app.vision.catalogue.checkpoints import CheckpointError, load_weights, sha256_of
from app.vision.catalogue.models import CatalogueError, Model
from app.vision.catalogue.zoo import find_model, only_model
from app.vision.engine.device import mmcv_device


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    options = parse(arguments, __doc__)
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
    known = base.classes or weights.classes
    classes = classes_of(options.classes, known, data.classes)
    config = training_config(original, classes)
    torch.manual_seed(options.seed)
    model, fresh = build(config, weights.tensors(), known, classes)
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
    augmentation = Augmentation(short=short, long=short[1] * 5 // 3)
    photos = TrainingSet(learning, classes, normalisation(original), augmentation, options.seed)
    part = part_of(options.train, options.classes, options.minutes, model)
    options.batch = options.batch or BATCH[part]
    options.lr = options.lr or (KEEPING_LR if options.classes == BOTH else LR)
    learner: nn.Module = model
    examples: Examples = photos
    end = time.monotonic() + 60 * options.minutes if options.minutes else math.inf
    if part == "heads":
        learner, examples = heads_with_regions(model, photos, config, classes, data.classes, options)
    if options.minutes and not (options.out / "last.pth").is_file():
        options.steps = steps_within(learner, examples, end - time.monotonic(), options)
        if part == "heads":
            options.steps = min(options.steps, most_steps(len(examples), options.batch))
    plan = _plan(options, len(examples))
    origin = {
        "--data": hashlib.sha256(json.dumps(data.truth, default=bytes.decode).encode()).hexdigest(),
        "--base": sha256_of(path),
        "--config": hashlib.sha256(config.pretty_text.encode()).hexdigest(),
        "--freeze": " ".join(frozen),
        **{f"--{name}": str(getattr(options, name)) for name in ("validation", "seed", "batch", "train")},
    }
    trainer = Trainer(learner, examples, plan, options.out, options.device, origin)
    if trainer.resume(with_plan=bool(options.minutes)):
        plan = trainer.plan
        print(f"Resuming from step {trainer.step} of {plan.steps}.", flush=True)
    trainer.tell_plan()
    judge = Judge(options.out, config, classes, base, validation, options.device)
    began = time.monotonic()
    trainer.run(lambda learned: judge({**model.state_dict(), **learned}))
    if trainer.rank == 0:
        facts = {
            "Base": base.title,
            "Photos": f"{len(learning.samples)} for training, {len(validation.samples)} for validation",
            "Classes": len(classes),
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
        # It would change the rows of classes that are to be kept.
        weight_decay=0.0 if options.classes == BOTH else 1e-4,
        warmup=min(50, steps // 10),
        seed=options.seed,
        ema=min(0.998, 1 - 5 / (steps + 5)),
        save_every=max(1, min(250, steps // 4)),
        evaluate_every=math.ceil(steps / options.evaluations),
        # Of the base's own classes, what the base knows counts among the weights to choose from.
        evaluate_first=options.classes == BOTH,
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
