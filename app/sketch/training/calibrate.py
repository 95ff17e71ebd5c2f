"""From held-out outputs to calibrated probabilities, a threshold, and the reported figures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from app.sketch.recogniser import ANIMALS, Calibration, judge

# Share of the drawings of other words that a calibration lets be named as one of the six. Of words that it has not seen
# a few more are named, and these shall be 3 % at most.
MAX_WRONG = 0.029
# The least recognised of the six is raised in steps, to MAX_RAISED at most, as long as the balanced accuracy falls by
# MAX_LOSS at most.
STEP, MAX_LOSS, MAX_RAISED = 0.1, 0.001, 2.0
# Drawings of other words from which temperature and offset are determined; the threshold is determined from all.
MAX_FITTED = 10_000


@dataclass(frozen=True)
class Outputs:
    """Outputs of networks for drawings that they were not trained on.

    logits: (N, K) over words. truth: the word of each drawing. fold: the fold that held it out, -1 for none.
    """

    words: list[str]
    logits: npt.NDArray[np.float32]
    truth: list[str]
    fold: npt.NDArray[np.int64]

    def take(self, chosen: npt.NDArray[np.bool_]) -> "Outputs":
        """The drawings of a mask (N,)."""
        truth = [word for word, kept in zip(self.truth, chosen, strict=True) if kept]
        return Outputs(self.words, self.logits[chosen], truth, self.fold[chosen])

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,): the index of each drawing's animal, 6 for none of the six."""
        return np.array([ANIMALS.index(word) if word in ANIMALS else 6 for word in self.truth], np.int64)


def calibrate(outputs: Outputs) -> Calibration:
    """The six made even, temperature and offset of maximum likelihood, and the minimum threshold that keeps MAX_WRONG.

    Every animal has the same weight, and the other words together as much as the six.
    """
    raised = _raised(outputs.take(outputs.labels < 6))
    fitted = _thinned(outputs)
    labels = fitted.labels
    counts = np.bincount(labels, minlength=7)
    share = np.where(np.arange(7) < 6, 1 / 6, 1.0) / np.maximum(counts, 1)
    weights = share[labels]
    temperature, offset = 1.0, 0.0
    for zoom in (1.0, 0.25, 0.06):
        # A grid around the best values so far, finer each time.
        costs = {
            (t, o): cost
            for t in temperature * np.geomspace(4**-zoom, 4**zoom, 9)
            for o, cost in _costs(fitted, labels, weights, t, offset + 8 * zoom * np.linspace(-1, 1, 17), raised)
        }
        temperature, offset = min(costs, key=costs.__getitem__)
    best = Calibration(float(temperature), float(offset), 0.5, raised)
    return replace(best, threshold=_threshold(outputs, best))


def _raised(animals: Outputs) -> tuple[float, ...]:
    """What is added to the logits of the six, so that none is recognised much less than the others.

    The least recognised one is raised step by step; of all that was tried, the one with the highest least accuracy
    counts.
    """
    labels, logits = animals.labels, animals.logits[:, [animals.words.index(name) for name in ANIMALS]]
    present = [i for i in range(6) if (labels == i).any()]
    added = np.zeros(6)
    best, least, floor = added, -1.0, -1.0
    while present:
        right = (logits + added).argmax(axis=1) == labels
        of_each = np.array([right[labels == i].mean() for i in present])
        if of_each.mean() < floor or added.max() > MAX_RAISED:
            break
        floor = max(floor, of_each.mean() - MAX_LOSS)
        if of_each.min() > least:
            best, least = added, of_each.min()
        added = added + STEP * (np.arange(6) == present[of_each.argmin()])
    return tuple(best.round(5).tolist())


def _thinned(outputs: Outputs) -> Outputs:
    """All drawings of the six animals and evenly chosen ones of other words, MAX_FITTED at most."""
    others = np.flatnonzero(outputs.labels == 6)
    chosen = outputs.labels < 6
    chosen[others[:: max(1, -(-len(others) // MAX_FITTED))]] = True
    return outputs.take(chosen)


def _costs(
    outputs: Outputs,
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
    temperature: float,
    offsets: Any,
    raised: Sequence[float],
) -> list[tuple[float, float]]:
    """Each offset with its weighted negative log-likelihood at a temperature."""
    six, none = judge(outputs.logits, outputs.words, Calibration(temperature, 0.0, 0.0, raised))
    odds = np.log(np.clip(none, 1e-300, 1)) - np.log(np.clip(1 - none, 1e-300, 1))
    given = np.log(np.clip(six, 1e-300, 1))[np.arange(len(labels)), np.minimum(labels, 5)]
    rest = labels == 6
    base = -float(weights[~rest] @ given[~rest])
    # log p(none) = -softplus(-(odds + offset)), log p(an animal) = -softplus(odds + offset)
    signs = np.where(rest, -1.0, 1.0)
    return [(float(offset), base + float(weights @ np.logaddexp(0, signs * (odds + offset)))) for offset in offsets]


def _threshold(outputs: Outputs, calibration: Calibration) -> float:
    others = confidence(outputs.take(outputs.labels == 6), calibration)[1]
    if not len(others):
        return 0.5
    return float(min(0.95, max(0.2, np.quantile(others, 1 - MAX_WRONG))))


def confidence(outputs: Outputs, calibration: Calibration) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The best of the six for each drawing, and its probability: (N,) and (N,)."""
    if not outputs.truth:
        return np.zeros(0, np.int64), np.zeros(0)
    six, none = judge(outputs.logits, outputs.words, calibration)
    return six.argmax(axis=1), six.max(axis=1) * (1 - none)


def crosswise(outputs: Outputs, folds: int) -> list[Calibration]:
    """For each fold the calibration made from the other folds."""
    return [calibrate(outputs.take(outputs.fold != fold)) for fold in range(folds)]


def measure(outputs: Outputs, of_fold: list[Calibration], whole: Calibration) -> dict[str, Any]:
    """The figures, with each drawing judged by the calibration of its fold, or by the whole one without a fold."""
    best, sure = np.zeros(len(outputs.truth), np.int64), np.zeros(len(outputs.truth), bool)
    none = np.zeros(len(outputs.truth))
    for fold in sorted(set(outputs.fold.tolist())):
        chosen, calibration = outputs.fold == fold, of_fold[fold] if fold >= 0 else whole
        best[chosen], likely = confidence(outputs.take(chosen), calibration)
        sure[chosen] = likely >= calibration.threshold
        none[chosen] = judge(outputs.logits[chosen], outputs.words, calibration)[1]
    labels = outputs.labels
    present = [i for i in range(6) if (labels == i).any()]
    right = best == labels
    of_each = {ANIMALS[i]: float(right[labels == i].mean()) for i in present}
    named = Counter(word for word, wrong in zip(outputs.truth, sure & (labels == 6), strict=True) if wrong)
    return {
        "animals": {
            "drawings": int((labels < 6).sum()),
            "balanced_accuracy": _mean(list(of_each.values())),
            "accuracy": of_each,
            "answered": _mean([sure[labels == i].mean() for i in present]),
            "answered_right": _mean([(sure & right)[labels == i].mean() for i in present]),
            "answered_wrong": _mean([(sure & ~right)[labels == i].mean() for i in present]),
        },
        "others": {
            "drawings": int((labels == 6).sum()),
            "words": len({word for word in outputs.truth if word not in ANIMALS}),
            "confident_wrong": _mean(sure[labels == 6]),
            "most_mistaken": dict(named.most_common(8)),
        },
        "calibration_error": _calibration_error(none, labels),
    }


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _calibration_error(none: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float | None:
    """Expected calibration error of "none of the six" in ten bins, with the same weight for the six as for the rest."""
    six, rest = np.count_nonzero(labels < 6), np.count_nonzero(labels == 6)
    if not six or not rest:
        return None
    weights = np.where(labels == 6, 0.5 / rest, 0.5 / six)
    bins = np.minimum((none * 10).astype(int), 9)
    gaps = [abs(float((weights * (none - (labels == 6)))[bins == i].sum())) for i in range(10)]
    return float(sum(gaps))


def as_json(calibration: Calibration) -> dict[str, Any]:
    """For the card."""
    numbers = asdict(calibration)
    return {name: value if name == "raised" else round(value, 5) for name, value in numbers.items()}
