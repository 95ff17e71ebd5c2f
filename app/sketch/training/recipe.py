"""How the recogniser is made: bitmaps, folds, one network per fold, calibration, files."""

import hashlib
import io
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
from app.sketch.training.export import publish, write_file
from app.sketch.training.networks import build
from app.sketch.training.report import print_measured
from app.sketch.training.train import Bitmaps, Plan, Pool, as_input, train

PLANS = {"small": Plan(steps=5000), "baseline": Plan(steps=1200, lr=2e-3)}
# Mean difference, of 255, below which two bitmaps show the same drawing. In QuickDraw's own files equal drawings differ
# by 0.3 to 5, others by 12 or more.
MAX_SAME = 8.0
PREDICTED = 1024  # bitmaps at a time, which limits the memory for their features


@dataclass(frozen=True)
class Recipe:
    """folds: for cross-validation. versions, animal_versions: variations of a drawing of other words and the six."""

    folds: int = 5
    seed: int = 0
    versions: int = 2
    animal_versions: int = 80


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
    """Render the variations of all drawings, and leave out ready bitmaps that show one of them."""
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
    """The bitmaps that show none of the drawings, whose fold would otherwise be learned from."""
    known = drawings.astype(np.int16)
    new = [np.abs(known - bitmap).mean(axis=(1, 2)).min(initial=255) >= MAX_SAME for bitmap in bitmaps]
    kept: Bitmaps = bitmaps[np.array(new, bool)]
    return kept


def cross_validate(name: str, material: Material, recipe: Recipe, steps: int | None, out: Path) -> dict[str, Any]:
    """Train one network per fold, measure each on its fold, and write them together. Returns the card.

    A training that was stopped goes on after its last whole fold.
    """
    plan = replace(PLANS[name], seed=recipe.seed, **({"steps": steps} if steps else {}))
    words = [*ANIMALS, *sorted({drawing.word for drawing in material.drawings} - set(ANIMALS))]
    animals, others = assign_folds(material.drawings, recipe.folds, recipe.seed)
    of_drawing = np.array([animals[d.identity] if d.word in ANIMALS else others[d.word] for d in material.drawings])
    made_of = _digest(name, plan, recipe, material)
    parts = [out / f"sketch_{name}.{made_of}.fold{fold + 1}.pt" for fold in range(recipe.folds)]
    networks, logits = [], np.zeros((len(of_drawing), len(words)), np.float32)
    for fold, part in enumerate(parts):
        print(f"{name}, fold {fold + 1} of {recipe.folds}", flush=True)
        if not part.is_file():
            pool = _pool(material, of_drawing != fold, words)
            write_file(part, _state(train(name, pool, replace(plan, seed=plan.seed + fold))))
        network = build(name, len(words)).eval()
        network.load_state_dict(torch.load(part, weights_only=True))
        held_out = np.flatnonzero(of_drawing == fold)
        logits[held_out] = predict(network, np.stack([material.bitmaps[i][0] for i in held_out]))
        networks.append(network)
    outputs = Outputs(words, logits, [drawing.word for drawing in material.drawings], of_drawing)
    card: dict[str, Any] = {
        "name": name,
        "parameters": sum(p.numel() for p in networks[0].parameters()),
        "networks": len(networks),
        "words": words,
        **_calibrated(outputs, recipe.folds),
        "folds": {"animals": animals, "words": others},
        "training": {
            "plan": asdict(plan),
            "recipe": asdict(recipe),
            "drawings": len(material.drawings),
            "bitmaps": {word: len(bitmaps) for word, bitmaps in material.ready.items()},
            "torch": torch.__version__,
        },
        "licence": "Apache-2.0; trained on QuickDraw's drawings (Google, CC BY 4.0)",
    }
    network_path, _ = publish(out, name, networks, card)
    for part in parts:
        part.unlink()
    print(f"{network_path}: {network_path.stat().st_size / 1e6:.2f} MB")
    print_measured(card["measured"])
    return card


def _calibrated(outputs: Outputs, folds: int) -> dict[str, Any]:
    """Calibrations and figures, for the card."""
    of_fold, whole = crosswise(outputs, folds), calibrate(outputs)
    return {
        "calibration": as_json(whole),
        "calibration_of_fold": [as_json(calibration) for calibration in of_fold],
        "measured": measure(outputs, of_fold, whole),
    }


def _digest(name: str, plan: Plan, recipe: Recipe, material: Material) -> str:
    """Identifies all that a fold's network depends on: 12 hex digits."""
    drawings = [(drawing.word, drawing.identity) for drawing in material.drawings]
    ready = {word: hashlib.sha256(bitmaps.tobytes()).hexdigest() for word, bitmaps in material.ready.items()}
    return hashlib.sha256(repr((name, plan, recipe, drawings, ready)).encode()).hexdigest()[:12]


def _state(network: nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    return buffer.getvalue()


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
    means = []
    with torch.no_grad():
        for start in range(0, len(bitmaps), PREDICTED):
            some = bitmaps[start : start + PREDICTED]
            both = [network(as_input(seen)).log_softmax(dim=1) for seen in (some, some[:, :, ::-1])]
            means.append((both[0] + both[1]) / 2)
    mean: np.ndarray = torch.cat(means).numpy()
    return mean
