"""How the recogniser is made: bitmaps, folds, one network per fold, calibration, files."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from app.sketch import ANIMALS
from app.sketch.training.augment import variations
from app.sketch.training.calibrate import Outputs, as_json, calibrate, crosswise, measure
from app.sketch.training.data import Drawing, assign_folds
from app.sketch.training.export import publish
from app.sketch.training.report import print_measured
from app.sketch.training.train import Bitmaps, Plan, Pool, as_input, train

PLANS = {"small": Plan(steps=3000), "baseline": Plan(steps=1500, lr=2e-3)}
# Mean difference, of 255, below which two bitmaps show the same drawing. In QuickDraw's own files equal drawings differ
# by 0.3 to 5, others by 12 or more.
MAX_SAME = 8.0


@dataclass(frozen=True)
class Recipe:
    """folds: for cross-validation. versions, animal_versions: variations of a drawing of other words and the six."""

    folds: int = 5
    seed: int = 0
    versions: int = 32
    animal_versions: int = 200


@dataclass(frozen=True)
class Material:
    """Drawings, the bitmaps of their variations (the first is the drawing itself), and ready bitmaps by animal."""

    drawings: list[Drawing]
    bitmaps: list[Bitmaps]
    ready: dict[str, Bitmaps]

    @property
    def count(self) -> int:
        """Number of bitmaps."""
        return sum(map(len, self.bitmaps)) + sum(map(len, self.ready.values()))


def render(drawings: list[Drawing], ready: dict[str, Bitmaps], recipe: Recipe) -> Material:
    """Render the variations of all drawings, and leave out ready bitmaps that show the same drawings."""
    rng = np.random.default_rng(recipe.seed)
    rendered = [
        variations(d.strokes, recipe.animal_versions if d.word in ANIMALS else recipe.versions, rng) for d in drawings
    ]
    kept = {}
    for word, bitmaps in ready.items():
        own = np.stack([rendered[i][0] for i, drawing in enumerate(drawings) if drawing.word == word])
        kept[word] = without(bitmaps, own)
    return Material(drawings, rendered, {word: bitmaps for word, bitmaps in kept.items() if len(bitmaps)})


def without(bitmaps: Bitmaps, drawings: Bitmaps) -> Bitmaps:
    """The bitmaps after the last one that shows one of the drawings.

    QuickDraw's files of strokes and of bitmaps have the same order. Where drawings at the beginning of one are used for
    measuring, the beginning of the other shows the same drawings, and more from between them.
    """
    last = -1
    for drawing in drawings.astype(np.int16):
        distances = np.abs(bitmaps - drawing).mean(axis=(1, 2))
        last = max(last, int(np.flatnonzero(distances < MAX_SAME).max(initial=-1)))
    return bitmaps[last + 1 :]


def cross_validate(name: str, material: Material, recipe: Recipe, steps: int | None, out: Path) -> dict[str, Any]:
    """Train one network per fold, measure each on its fold, and write them together. Returns the card."""
    plan = replace(PLANS[name], seed=recipe.seed, **({"steps": steps} if steps else {}))
    words = [*ANIMALS, *sorted({drawing.word for drawing in material.drawings} - set(ANIMALS))]
    animals, others = assign_folds(material.drawings, recipe.folds, recipe.seed)
    of_drawing = np.array([animals[d.identity] if d.word in ANIMALS else others[d.word] for d in material.drawings])
    networks, logits = [], np.zeros((len(of_drawing), len(words)), np.float32)
    start = time.monotonic()
    for fold in range(recipe.folds):
        print(f"{name}, fold {fold + 1} of {recipe.folds}", flush=True)
        network = train(name, _pool(material, of_drawing != fold, words), replace(plan, seed=plan.seed + fold))
        held_out = np.flatnonzero(of_drawing == fold)
        logits[held_out] = predict(network, np.stack([material.bitmaps[i][0] for i in held_out]))
        networks.append(network)
    outputs = Outputs(words, logits, [drawing.word for drawing in material.drawings], of_drawing)
    of_fold, whole = crosswise(outputs, recipe.folds), calibrate(outputs)
    card: dict[str, Any] = {
        "name": name,
        "parameters": sum(p.numel() for p in networks[0].parameters()),
        "networks": len(networks),
        "words": words,
        "calibration": as_json(whole),
        "calibration_of_fold": [as_json(calibration) for calibration in of_fold],
        "folds": {"animals": animals, "words": others},
        "measured": measure(outputs, of_fold, whole),
        "training": {
            "plan": asdict(plan),
            "recipe": asdict(recipe),
            "drawings": len(material.drawings),
            "bitmaps": {word: len(bitmaps) for word, bitmaps in material.ready.items()},
            "minutes": round((time.monotonic() - start) / 60, 1),
            "torch": torch.__version__,
        },
        "licence": "Apache-2.0; trained on QuickDraw's drawings (Google, CC BY 4.0)",
    }
    network_path, _ = publish(out, name, networks, card)
    print(f"{network_path}: {network_path.stat().st_size / 1e6:.2f} MB")
    print_measured(card["measured"])
    return card


def _pool(material: Material, used: np.ndarray, words: list[str]) -> Pool:
    """The bitmaps of the drawings in a mask (N,), and the ready bitmaps."""
    chosen = [(d, b) for d, b, use in zip(material.drawings, material.bitmaps, used, strict=True) if use]
    animals = []
    for label, word in enumerate(ANIMALS):
        own = [bitmaps for drawing, bitmaps in chosen if drawing.word == word]
        sources = ([np.concatenate(own)] if own else []) + ([material.ready[word]] if word in material.ready else [])
        if sources:
            animals.append((label, sources))
    others = [(words.index(drawing.word), bitmaps) for drawing, bitmaps in chosen if drawing.word not in ANIMALS]
    return Pool(
        words,
        animals,
        np.concatenate([bitmaps for _, bitmaps in others]) if others else np.zeros((0, 28, 28), np.uint8),
        np.repeat([label for label, _ in others], [len(bitmaps) for _, bitmaps in others]).astype(np.int64),
    )


def predict(network: nn.Module, bitmaps: Bitmaps) -> np.ndarray:
    """Log-probabilities (N, words) of bitmaps (N, 28, 28), averaged over each and its mirror image, as in serving."""
    with torch.no_grad():
        both = [network(as_input(seen)).log_softmax(dim=1) for seen in (bitmaps, bitmaps[:, :, ::-1])]
    mean: np.ndarray = ((both[0] + both[1]) / 2).numpy()
    return mean
