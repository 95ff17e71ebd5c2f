"""The registered analyses. Imports neither torch nor OpenVINO."""

import functools
from importlib import import_module

from app.config.analyses import ANALYSES
from app.vision.analyses.analysis import Analysis


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
