"""The messages from a child process to its supervisor: one JSON object per line."""

import json
from dataclasses import dataclass
from typing import Any

from app.vision.results import ModelCard


@dataclass(frozen=True)
class ModelsLoaded:
    """The child is ready. cards: of the loaded models; missing: the step that adds each missing analysis."""

    cards: tuple[ModelCard, ...]
    missing: dict[str, str]


@dataclass(frozen=True)
class AnalysisStarted:
    """The child has started an analysis."""

    analysis_id: str


@dataclass(frozen=True)
class AnalysisEnded:
    """The child has ended its analysis, successfully or not."""


Message = ModelsLoaded | AnalysisStarted | AnalysisEnded


def to_line(message: Message) -> str:
    """A message as a line of JSON."""
    content: dict[str, Any]
    match message:
        case ModelsLoaded(cards, missing):
            content = {"cards": [card.to_dict() for card in cards], "missing": missing}
        case AnalysisStarted(analysis_id):
            content = {"analysis_id": analysis_id}
        case AnalysisEnded():
            content = {}
    return json.dumps({"type": type(message).__name__, **content}) + "\n"


def from_line(line: str) -> Message:
    """The message of a line. Raises ValueError if it is malformed."""
    content = json.loads(line)
    match content:
        case {"type": "ModelsLoaded", "cards": cards, "missing": missing}:
            return ModelsLoaded(tuple(map(ModelCard.from_dict, cards)), missing)
        case {"type": "AnalysisStarted", "analysis_id": analysis_id}:
            return AnalysisStarted(analysis_id)
        case {"type": "AnalysisEnded"}:
            return AnalysisEnded()
    raise ValueError(f"not a message of a worker process: {line!r}")
