"""Which sources of weights answer now."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from app.config.settings import Settings
from app.vision.catalogue.models import Model
from app.vision.catalogue.sources import SourceError, sources
from app.vision.catalogue.transfer import probe

AT_ONCE = 16


@dataclass(frozen=True)
class Answer:
    """What a source said about a model's file. problem: empty where it has the file."""

    model: Model
    source: str
    problem: str


def check_sources(models: Iterable[Model], settings: Settings) -> list[Answer]:
    """Ask every source of these models at the same time, with a time-out of some seconds each."""
    asked = [(model, source) for model in models for source in sources(model, settings)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda each: _ask(each[0], each[1], settings), asked))


def _ask(model: Model, source: str, settings: Settings) -> Answer:
    try:
        probe(source, model, settings)
    except SourceError as error:
        return Answer(model, source, str(error))
    return Answer(model, source, "")
