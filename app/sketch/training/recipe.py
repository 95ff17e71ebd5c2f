"""How the recogniser is made: bitmaps, folds, a network a fold, calibration, files."""

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from app.sketch import ANIMALS
from app.sketch.training.augment import versions
from app.sketch.training.calibrate import Outputs, as_json, calibrate, crosswise, measure
from app.sketch.training.data import Drawing, assign_folds
from app.sketch.training.export import publish
from app.sketch.training.learn import Bitmaps, Plan, Pool, as_input, train
from app.sketch.training.tell import tell

PLANS = {"small": Plan(steps=3000), "baseline": Plan(steps=1500, lr=2e-3)}
# Mean difference, in steps of 255, below which a bitmap and a raster are of the same drawing: in QuickDraw's own files
# the same ones differ by 0.3 to 5, others by 12 and more.
SAME = 8.0


@dataclass(frozen=True)
class Recipe:
    """folds: parts for cross-validation. versions: bitmaps made of a drawing, of other words and of the six."""

    folds: int = 5
    seed: int = 0
    versions: int = 32
    animal_versions: int = 200


@dataclass(frozen=True)
class Material:
    """Drawings, the bitmaps made of each (the first is the drawing itself), and ready bitmaps by animal."""

    drawings: list[Drawing]
    bitmaps: list[Bitmaps]
    ready: dict[str, Bitmaps]

    @property
    def count(self) -> int:
        """How many bitmaps there are."""
        return sum(map(len, self.bitmaps)) + sum(map(len, self.ready.values()))


def render(drawings: list[Drawing], ready: dict[str, Bitmaps], recipe: Recipe) -> Material:
    """Make the versions of all drawings, and leave out of the ready bitmaps what shows the same drawings."""
    rng = np.random.default_rng(recipe.seed)
    made = [
        versions(d.strokes, recipe.animal_versions if d.word in ANIMALS else recipe.versions, rng) for d in drawings
    ]
    kept = {}
    for word, bitmaps in ready.items():
        own = np.stack([made[i][0] for i, drawing in enumerate(drawings) if drawing.word == word])
        kept[word] = without(bitmaps, own)
    return Material(drawings, made, {word: bitmaps for word, bitmaps in kept.items() if len(bitmaps)})


def without(bitmaps: Bitmaps, drawings: Bitmaps) -> Bitmaps:
    """Bitmaps after the last that shows one of the drawings.

    QuickDraw's files of strokes and of bitmaps are in the same order, so that where the head of one was taken for
    measuring, the head of the other shows the same drawings, those that are not in the first file among them.
    """
    last = -1
    for drawing in drawings.astype(np.int16):
        distances = np.abs(bitmaps - drawing).mean(axis=(1, 2))
        last = max(last, int(np.flatnonzero(distances < SAME).max(initial=-1)))
    return bitmaps[last + 1 :]


def cross_validate(name: str, material: Material, recipe: Recipe, steps: int | None, out: Path) -> dict[str, Any]:
    """Train a network a fold, measure each on its fold, and write them together. Returns the card."""
    plan = replace(PLANS[name], seed=recipe.seed, **({"steps": steps} if steps else {}))
    words = [*ANIMALS, *sorted({drawing.word for drawing in material.drawings} - set(ANIMALS))]
    animals, others = assign_folds(material.drawings, recipe.folds, recipe.seed)
    of_drawing = np.array([animals[d.identity] if d.word in ANIMALS else others[d.word] for d in material.drawings])
    networks, logits = [], np.zeros((len(of_drawing), len(words)), np.float32)
    began = time.monotonic()
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
            "minutes": round((time.monotonic() - began) / 60, 1),
            "torch": torch.__version__,
        },
        "licence": "Apache-2.0; trained on QuickDraw's drawings (Google, CC BY 4.0)",
    }
    network_path, _ = publish(out, name, networks, card)
    print(f"{network_path}: {network_path.stat().st_size / 1e6:.2f} MB")
    tell(card["measured"])
    return card


def _pool(material: Material, learned: np.ndarray, words: list[str]) -> Pool:
    """What the drawings of a mask (N,) give to learn from, and the ready bitmaps."""
    chosen = [(d, b) for d, b, use in zip(material.drawings, material.bitmaps, learned, strict=True) if use]
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
    """Log-probabilities (N, words) of bitmaps (N, 28, 28), as they are and mirrored averaged, as serving does it."""
    with torch.no_grad():
        both = [network(as_input(seen)).log_softmax(dim=1) for seen in (bitmaps, bitmaps[:, :, ::-1])]
    return ((both[0] + both[1]) / 2).numpy()
