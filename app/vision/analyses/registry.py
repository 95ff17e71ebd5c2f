"""The registered analyses. Imports neither torch nor OpenVINO."""

import functools
from collections.abc import Iterable, Mapping
from importlib import import_module, metadata
from typing import Any

from app.config.analyses import ANALYSES
from app.vision.analyses.analysis import Analysis
from app.vision.results import Analysed, ModelCard


@functools.cache
def find(name: str) -> Analysis:
    """A registered analysis by its name. Raises KeyError."""
    if name not in ANALYSES:
        raise KeyError(name)
    analysis: Analysis = import_module(f"app.vision.analyses.{name}").analysis
    return analysis


def analyses() -> tuple[Analysis, ...]:
    """Every registered analysis, in the order in which they are offered."""
    return tuple(find(name) for name in ANALYSES)


def default_names() -> tuple[str, ...]:
    """The analyses that a worker loads by default: those whose packages are installed."""
    return tuple(analysis.name for analysis in analyses() if all(map(_is_installed, analysis.packages)))


def kept_mb(names: Iterable[str], limit_mb: float) -> int:
    """Megabytes that the models of some analyses keep between two photos in a worker of so many megabytes."""
    return sum(analysis.memory_mb for analysis in map(find, names) if limit_mb >= analysis.scarce_mb)


def stored_result(data: dict[str, Any]) -> Analysed:
    """The answer that `Analysed.to_dict` stored."""
    kinds = {analysis.result.kind: analysis.result for analysis in analyses()}
    result = kinds[data["result"]["kind"]].from_dict(data["result"])
    return Analysed(ModelCard.from_dict(data["card"]), result, dict(data["timings"]))


def ordered(results: Mapping[str, Analysed]) -> list[Analysed]:
    """Stored results in the order of their analyses; those of unknown ones last."""
    kinds = [analysis.result.kind for analysis in analyses()]

    def place(analysed: Analysed) -> int:
        kind = analysed.result.kind
        return kinds.index(kind) if kind in kinds else len(kinds)

    return sorted(results.values(), key=place)


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True
