"""The recogniser: what the shipped networks answer, how, and what they weigh."""

import hashlib
import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.sketch import ANIMALS, Guess, Recogniser, raster
from app.sketch.recogniser import BUNDLED, Calibration, judge
from tests.conftest import ROOT
from tests.drawings import fish, house

WORDS = [*ANIMALS, "house", "tree"]
LOGITS = arrays(np.float64, st.tuples(st.integers(1, 4), st.just(8)), elements=st.floats(-60, 60))
CALIBRATIONS = st.builds(Calibration, st.floats(0.1, 10), st.floats(-10, 10), st.floats(0.1, 0.9))


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser.from_folder(BUNDLED)


def test_a_plain_fish_is_a_fish_and_a_house_is_none_of_the_six(recogniser: Recogniser) -> None:
    assert recogniser.recognise(raster(fish())).answer == "fish"
    assert recogniser.recognise(raster(house())).answer == "not sure"


def test_a_guess_holds_together(recogniser: Recogniser) -> None:
    guess = recogniser.recognise(raster(fish()))
    assert tuple(guess.probabilities) == ANIMALS
    assert sum(guess.probabilities.values()) == pytest.approx(1)
    assert 0 <= guess.not_sure <= 1
    assert guess.seconds > 0
    assert guess.sure == (guess.answer != "not sure")
    assert Guess(**json.loads(json.dumps(guess.to_dict()))) == guess


def test_a_drawing_and_its_mirror_image_get_the_same_answer(recogniser: Recogniser) -> None:
    bitmap = raster(fish())
    one, other = recogniser.recognise(bitmap), recogniser.recognise(np.ascontiguousarray(bitmap[:, ::-1]))
    assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_drawings_asked_together_get_what_each_gets_alone(recogniser: Recogniser) -> None:
    bitmaps = np.stack([raster(fish(turn / 5)) for turn in range(3)])
    together = recogniser.logits(bitmaps)
    assert together.shape == (3, recogniser.card["networks"], len(recogniser.card["words"]))
    alone = np.concatenate([recogniser.logits(bitmap[None]) for bitmap in bitmaps])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_threads_share_a_recogniser(recogniser: Recogniser) -> None:
    bitmaps = [raster(fish()), raster(house())]
    alone = [recogniser.recognise(bitmap).probabilities for bitmap in bitmaps]
    seen: list[bool] = []

    def ask(which: int) -> None:
        seen.extend(recogniser.recognise(bitmaps[which]).probabilities == alone[which] for _ in range(10))

    threads = [threading.Thread(target=ask, args=(i % 2,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 40


@pytest.mark.parametrize("bitmap", [np.zeros((28, 28)), np.zeros((56, 56), np.uint8), np.zeros((1, 28, 28), np.uint8)])
def test_what_is_not_a_bitmap_is_refused(recogniser: Recogniser, bitmap: np.ndarray) -> None:
    with pytest.raises(ValueError, match="28x28"):
        recogniser.recognise(bitmap)


def test_the_weights_are_under_two_megabytes_and_belong_to_their_card() -> None:
    weights = BUNDLED / "sketch_small.onnx"
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert card["bytes"] == weights.stat().st_size < 2_000_000


def test_the_readme_says_what_was_measured() -> None:
    card = json.loads((BUNDLED / "sketch_small.json").read_text())
    six, others = card["measured"]["animals"], card["measured"]["others"]
    measured = [six["balanced_accuracy"], *(six["accuracy"][name] for name in ANIMALS)]
    measured += [six["answered_right"], six["answered_wrong"], 1 - six["answered"], others["confident_wrong"]]
    readme = (BUNDLED.parent / "README.md").read_text()
    table = re.findall(r"^  \| (?:correct|of)\b.* \| ([\d.]+) \| [\d.]+ \|$", readme, re.MULTILINE)
    assert table == [f"{100 * share:.1f}" for share in measured]
    assert f"{card['parameters']:,} parameters" in readme
    for drawings in (six["drawings"], others["drawings"]):
        assert f"{drawings:,}" in readme


def test_the_page_says_what_was_measured() -> None:
    measured = json.loads((BUNDLED / "sketch_small.json").read_text())["measured"]
    six, others = measured["animals"], measured["others"]
    page = (BUNDLED.parent / "web" / "templates" / "draw" / "page.html").read_text()
    said = [six["answered_right"], six["answered_wrong"], others["confident_wrong"]]
    assert re.findall(r"(\d+) % (?:right|wrong|of drawings)", page) == [f"{100 * share:.0f}" for share in said]
    assert f"{six['drawings']:,} drawings" in page


def test_a_folder_without_a_recogniser_gets_the_bundled_one(tmp_path: Path) -> None:
    assert Recogniser.from_folder(str(tmp_path)).card == Recogniser.from_folder(BUNDLED).card
    with pytest.raises(FileNotFoundError, match=r"sketch_other\.onnx"):
        Recogniser.from_folder(tmp_path, "other")


def test_recognising_loads_no_torch() -> None:
    code = (
        "import sys, numpy as np\nfrom app.sketch import *\n"
        "guess = Recogniser.from_folder('checkpoints').recognise(raster([np.array([[0, 0], [9, 5.0]])]))\n"
        "print(guess.answer, *sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    loaded = {name.partition(".")[0] for name in ran.stdout.split()}
    assert not loaded & {"torch", "onnx", "flask", "redis", "sqlalchemy", "scipy"}


@given(LOGITS, CALIBRATIONS)
def test_probabilities_sum_to_one_and_none_is_a_probability(logits: np.ndarray, calibration: Calibration) -> None:
    six, none = judge(logits, WORDS, calibration)
    assert six.shape == (len(logits), 6)
    np.testing.assert_allclose(six.sum(axis=1), 1)
    assert ((none >= 0) & (none <= 1)).all()


@given(LOGITS, CALIBRATIONS, st.floats(-50, 50))
def test_a_constant_added_to_all_logits_changes_nothing(
    logits: np.ndarray, calibration: Calibration, by: float
) -> None:
    one, other = judge(logits, WORDS, calibration), judge(logits + by, WORDS, calibration)
    np.testing.assert_allclose(one[0], other[0], atol=1e-9)
    np.testing.assert_allclose(one[1], other[1], atol=1e-9)


@settings(max_examples=30)
@given(LOGITS, st.permutations(range(8)))
def test_the_order_of_the_words_does_not_matter(logits: np.ndarray, order: list[int]) -> None:
    calibration = Calibration(0.7, 0.3, 0.5)
    shuffled = judge(logits[:, order], [WORDS[i] for i in order], calibration)
    for one, other in zip(judge(logits, WORDS, calibration), shuffled, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_network_of_the_six_alone_is_never_unsure_that_it_is_one_of_them() -> None:
    six, none = judge(np.eye(6), list(ANIMALS), Calibration(1, 0, 0.5))
    assert six.argmax(axis=1).tolist() == list(range(6))
    assert not none.any()
