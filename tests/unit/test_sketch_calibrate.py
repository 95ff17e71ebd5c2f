"""The recogniser's figures: calibrated on other folds, counted right, learned from no drawing that is judged."""

import numpy as np
import pytest
import torch

from app.sketch import ANIMALS, raster
from app.sketch.recogniser import Calibration, judge
from app.sketch.training.augment import variations
from app.sketch.training.calibrate import MAX_WRONG, Outputs, calibrate, confidence, crosswise, measure
from app.sketch.training.recipe import without
from app.sketch.training.train import Plan, Pool, loss_of, warped
from tests.drawings import fish, house, spider

WORDS = [*ANIMALS, "house", "tree", "sun"]


def made_up(sharpness: float = 1.0, seed: int = 0) -> Outputs:
    """Outputs whose softmax is the true probability of each word, made that much too sharp."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (6000, len(WORDS)))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = (rng.random((len(logits), 1)) < shares.cumsum(axis=1)).argmax(axis=1)
    folds = rng.integers(3, size=len(logits))
    return Outputs(WORDS, (logits * sharpness).astype(np.float32), [WORDS[i] for i in drawn], folds)


def test_too_sharp_outputs_are_made_as_soft_as_they_should_be() -> None:
    # The prior of made-up drawings is 6 to 3; the calibration's is 1 to 1.
    found = calibrate(made_up(sharpness=2.5))
    assert found.temperature == pytest.approx(2.5, rel=0.1)
    assert found.other == pytest.approx(np.log(2), abs=0.15)


def test_an_animal_that_is_recognised_less_than_the_others_is_raised() -> None:
    """Dogs are taken for cats, which hardly a cat would be taken for in return."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(6), 400)
    logits = rng.normal(0, 0.5, (len(truth), len(WORDS))) + 4 * (truth[:, None] == np.arange(len(WORDS)))
    logits[truth == 1, 0] += 3.6
    outputs = Outputs(WORDS, logits.astype(np.float32), [WORDS[i] for i in truth], np.full(len(truth), -1))
    plain, even = ({**measure(outputs, [], c)["animals"]} for c in (Calibration(1, 0, 0), calibrate(outputs)))
    assert calibrate(outputs).raised[1] > 0
    assert even["accuracy"]["dog"] > plain["accuracy"]["dog"] + 0.1
    assert even["balanced_accuracy"] >= plain["balanced_accuracy"]


def test_what_raises_an_animal_counts_before_the_temperature() -> None:
    raised, softer = Calibration(2, 0, 0, (0, 3, 0, 0, 0, 0)), Calibration(2, 0, 0)
    logits = np.zeros((1, len(WORDS)))
    six, none = judge(logits, WORDS, raised)
    logits[0, 1] = 3
    assert np.array_equal(six, judge(logits, WORDS, softer)[0])
    assert np.array_equal(none, judge(logits, WORDS, softer)[1])


def test_the_threshold_keeps_confident_wrong_answers_to_what_is_allowed() -> None:
    outputs = made_up()
    found = calibrate(outputs)
    others = confidence(outputs.take(outputs.labels == 6), found)[1]
    assert (others >= found.threshold).mean() == pytest.approx(MAX_WRONG, abs=0.005)


def test_temperature_and_offset_come_from_a_sample_of_many_other_words(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = made_up(sharpness=2.5)
    whole = calibrate(outputs)
    monkeypatch.setattr("app.sketch.training.calibrate.MAX_FITTED", 700)
    sample = calibrate(outputs)
    assert sample != whole
    assert sample.temperature == pytest.approx(whole.temperature, rel=0.1)
    assert sample.other == pytest.approx(whole.other, abs=0.15)


def test_a_fold_is_not_calibrated_on_itself() -> None:
    outputs = made_up()
    spoilt = Outputs(WORDS, outputs.logits.copy(), outputs.truth, outputs.fold)
    spoilt.logits[outputs.fold == 1] = 0
    before, after = crosswise(outputs, 3), crosswise(spoilt, 3)
    assert before[1] == after[1]
    assert before[0] != after[0]


def test_figures_are_counted_by_drawing_and_balanced_by_animal() -> None:
    sure, unsure = 9.0, 0.1
    rows = [
        ("cat", "cat", sure),
        ("cat", "cat", unsure),
        ("cat", "dog", sure),
        ("fish", "fish", sure),
        ("tree", "cat", sure),
        ("tree", "tree", sure),
        ("sun", "house", sure),
        ("sun", "dog", unsure),
    ]
    logits = np.zeros((len(rows), len(WORDS)), np.float32)
    for row, (_, said, how) in enumerate(rows):
        logits[row, WORDS.index(said)] = how
    outputs = Outputs(WORDS, logits, [truth for truth, _, _ in rows], np.full(len(rows), -1))
    figures = measure(outputs, [], Calibration(1.0, 0.0, 0.5))
    six, others = figures["animals"], figures["others"]
    assert (six["drawings"], others["drawings"], others["words"]) == (4, 4, 2)
    assert six["accuracy"] == {"cat": pytest.approx(2 / 3), "fish": 1.0}
    assert six["balanced_accuracy"] == pytest.approx(5 / 6)
    assert six["answered"] == pytest.approx((2 / 3 + 1) / 2)
    assert six["answered_right"] == pytest.approx((1 / 3 + 1) / 2)
    assert six["answered_wrong"] == pytest.approx(1 / 6)
    assert others["confident_wrong"] == 0.25
    assert others["most_mistaken"] == {"tree": 1}


def test_a_folder_without_other_words_has_no_rate_of_mistaking_them() -> None:
    outputs = made_up()
    only = outputs.take(outputs.labels < 6)
    figures = measure(only, crosswise(outputs, 3), calibrate(outputs))
    assert figures["others"]["confident_wrong"] is None
    assert figures["calibration_error"] is None


def test_true_probabilities_have_a_small_calibration_error() -> None:
    outputs = made_up()
    figures = measure(outputs, crosswise(outputs, 3), calibrate(outputs))
    assert figures["calibration_error"] < 0.03
    assert judge(outputs.logits, WORDS, Calibration(1, 0, 0.5))[1].mean() == pytest.approx(1 / 3, abs=0.02)


def test_versions_begin_with_the_drawing_itself_and_follow_the_seed() -> None:
    one, same = (variations(fish(), 5, np.random.default_rng(7)) for _ in range(2))
    assert one.shape == (5, 28, 28)
    np.testing.assert_array_equal(one[0], raster(fish()))
    np.testing.assert_array_equal(one, same)
    assert all(np.abs(version.astype(int) - one[0]).mean() > 2 for version in one[1:])
    dot_and_line = [np.array([[0, 0.0]]), np.array([[0, 0], [50, 20.0]])]
    assert variations(dot_and_line, 50, np.random.default_rng(1)).any(axis=(1, 2)).all()


def test_bitmaps_that_show_a_known_drawing_are_left_out() -> None:
    many = variations(spider(), 12, np.random.default_rng(0))
    known = np.stack([raster(fish()), raster(house())])
    bitmaps = np.concatenate([many[1:4], known[:1], many[4:6], known[1:] // 8 * 8, many[6:]])
    np.testing.assert_array_equal(without(bitmaps, known), many[1:])
    np.testing.assert_array_equal(without(many, known[:0]), many)


def test_a_batch_shows_each_animal_as_often_and_the_share_that_the_plan_says() -> None:
    marked = [np.full((size, 28, 28), value, np.uint8) for value, size in enumerate((3, 500, 10))]
    pool = Pool(WORDS, [(0, [marked[0]]), (1, [marked[1]])], marked[2], np.full(10, 6))
    plan = Plan(batch=100, animals=0.4)
    rng = np.random.default_rng(0)
    bitmaps, labels = map(np.concatenate, zip(*(pool.batch(plan, rng) for _ in range(50)), strict=True))
    counts = np.bincount(labels, minlength=7)
    assert counts[6] == 3000
    assert abs(counts[0] - counts[1]) < 200
    np.testing.assert_array_equal(bitmaps[:, 0, 0], np.where(labels == 6, 2, labels))


def test_the_loss_is_that_of_the_word_and_for_animals_that_of_the_choice_among_the_six() -> None:
    even, six = torch.zeros(2, 8), torch.arange(6)
    labels = torch.tensor([3, 7])
    plan = Plan(smoothing=0, choice=0.5)
    assert float(loss_of(even, labels, six, plan)) == pytest.approx(np.log(8) + 0.5 * np.log(6))
    tree_and_giraffe = torch.tensor([[0, 0, 0, 50.0, 0, 0, 0, 50], [0, 0, 0, 0, 0, 0, 0, 50]])
    assert float(loss_of(tree_and_giraffe, labels, six, plan)) == pytest.approx(np.log(2) / 2)
    assert float(loss_of(even[:1], labels[1:], six, plan)) == pytest.approx(np.log(8))


def test_a_warped_bitmap_is_the_drawing_a_little_turned() -> None:
    bitmap, rng = raster(house()), np.random.default_rng(0)
    versions = np.stack([warped(bitmap, rng) for _ in range(50)]).astype(int)
    differences = np.abs(versions - bitmap).mean(axis=(1, 2))
    assert differences.min() > 1
    assert np.median(differences) < np.abs(raster(spider()).astype(int) - bitmap).mean()
    assert versions.sum(axis=(1, 2)).mean() == pytest.approx(bitmap.sum(), rel=0.05)
