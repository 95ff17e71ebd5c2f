"""Lines of text, as they are written in the photo: PP-OCRv6."""

from typing import TYPE_CHECKING

from app.vision.analyses.analysis import Analysis, Analyzer
from app.vision.analyses.text.result import Lines

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.vision.catalogue.models import Model


def _make(model: "Model", settings: "Settings") -> Analyzer:
    from app.vision.analyses.text.reader import make

    return make(model, settings)


analysis = Analysis(
    name="text",
    title="Text",
    summary="What is written in the photo, line by line",
    result=Lines,
    packages=("rapidocr",),
    make=_make,
    memory_mb=810,
    scarce_mb=2000,
)
