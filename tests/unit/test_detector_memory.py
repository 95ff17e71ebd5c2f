"""A detector keeps to the memory limit."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.system.machine import memory_limit_mb
from app.vision.analyses import registry
from app.vision.analyses.objects.memory import FAST_MB, FRUGAL_MB, plan_memory

OWN = (1333, 800)
kinds = st.sampled_from(sorted(FRUGAL_MB))


@given(st.integers(1, 4000), st.integers(1, 1000), st.integers(10, 200), kinds)
def test_more_memory_never_makes_photos_smaller(limit: int, more: int, weights: int, kind: tuple[str, str]) -> None:
    little, much = plan_memory(limit, weights, kind, OWN), plan_memory(limit + more, weights, kind, OWN)
    assert little.scale <= much.scale <= OWN
    assert little.enough <= much.enough


@given(st.integers(1, 4000), st.integers(10, 200), kinds)
def test_a_smaller_input_keeps_its_aspect_and_says_so(limit: int, weights: int, kind: tuple[str, str]) -> None:
    plan = plan_memory(limit, weights, kind, OWN)
    assert plan.reduced == (plan.scale != OWN)
    assert plan.scale[0] / plan.scale[1] == pytest.approx(OWN[0] / OWN[1], rel=0.01)


def test_without_a_limit_nothing_changes() -> None:
    plan = plan_memory(0, 90, ("bf16", "bf16"), OWN)
    assert (plan.scale, plan.frugal, plan.reduced, plan.enough) == (OWN, False, False, True)


def test_half_a_gigabyte_is_enough_for_the_whole_input_in_bf16_and_int8_when_memory_is_saved() -> None:
    for kind in (("bf16", "bf16"), ("int8", "bf16")):
        plan = plan_memory(512, 89, kind, OWN)
        assert (plan.scale, plan.frugal, plan.enough) == (OWN, True, True)


def test_everything_is_kept_only_where_the_other_analyses_fit_in_too() -> None:
    plans = [plan_memory(limit, 89, ("bf16", "bf16"), OWN, others_mb=200) for limit in (950, 1150)]
    assert [plan.frugal for plan in plans] == [True, False]
    assert not plan_memory(950, 89, ("bf16", "bf16"), OWN).frugal


def test_other_analyses_count_with_what_they_declare_where_they_save_no_memory() -> None:
    faces, labels = registry.find("faces"), registry.find("labels")
    assert registry.kept_mb(["faces", "labels"], 1024) == faces.memory_mb + labels.memory_mb > 0
    assert registry.kept_mb(["faces", "labels"], 1023) == 0
    assert registry.kept_mb([], 4000) == 0


def test_a_limit_that_cannot_be_kept_is_reported() -> None:
    assert not plan_memory(200, 90, ("bf16", "bf16"), OWN).enough


def test_saving_memory_needs_less_of_it() -> None:
    assert all(FRUGAL_MB[kind] < FAST_MB[kind] for kind in FRUGAL_MB)


@pytest.mark.parametrize(
    ("name", "text", "megabytes"),
    [
        ("memory.max", "536870912\n", 512),
        ("memory.max", "max\n", 0),
        ("memory/memory.limit_in_bytes", "268435456\n", 256),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", 0),
    ],
)
def test_the_container_says_how_much_memory_it_may_use(tmp_path: Path, name: str, text: str, megabytes: int) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert memory_limit_mb(tmp_path) == megabytes


def test_without_a_cgroup_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit_mb(tmp_path) == 0
