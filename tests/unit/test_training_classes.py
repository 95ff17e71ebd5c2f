"""What a training teaches: classes that are added or that replace the base's, to the heads or to the whole network."""

from types import SimpleNamespace

import pytest

from app.datasets.classes import classes_of
from app.training.choice import part_of
from app.training.errors import TrainingError

TWO_STAGE, ONE_STAGE = SimpleNamespace(roi_head=None), SimpleNamespace()


def test_classes_are_added_behind_the_bases_or_replace_them() -> None:
    assert classes_of("base+data", ["cat", "dog"], ["screw", "dog"]) == ("cat", "dog", "screw")
    assert classes_of("data", ["cat", "dog"], ["screw", "dog"]) == ("screw", "dog")


def test_the_heads_learn_where_the_effort_is_short_or_the_bases_classes_are_kept() -> None:
    assert part_of(None, "data", None, TWO_STAGE) == "all"
    assert part_of(None, "data", 10, TWO_STAGE) == "heads"
    assert part_of("all", "data", 10, TWO_STAGE) == "all"
    assert part_of(None, "base+data", 600, TWO_STAGE) == "heads"
    assert part_of(None, "data", 10, ONE_STAGE) == "all"


@pytest.mark.parametrize("asked", [("all", "base+data", None, TWO_STAGE), (None, "base+data", 10, ONE_STAGE)])
def test_the_bases_classes_are_kept_by_the_heads_of_two_stage_detectors_only(asked: tuple[object, ...]) -> None:
    with pytest.raises(TrainingError, match="choose --classes data"):
        part_of(*asked)  # type: ignore[arg-type]


def test_a_detector_without_heads_of_its_own_is_refused_in_a_sentence() -> None:
    with pytest.raises(TrainingError, match="choose --train all"):
        part_of("heads", "data", None, ONE_STAGE)
