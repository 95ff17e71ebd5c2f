"""QR codes and barcodes: ZXing."""

from typing import TYPE_CHECKING

from app.vision.analyses.analysis import Analysis, Analyzer
from app.vision.analyses.codes.result import Codes

if TYPE_CHECKING:
    from app.config.settings import Settings
    from app.vision.catalogue.models import Model


def _make(model: "Model", settings: "Settings") -> Analyzer:
    from app.vision.analyses.codes.reader import CodeReader

    return CodeReader(model)


analysis = Analysis(
    name="codes",
    title="Codes",
    summary="What QR codes and barcodes say",
    result=Codes,
    packages=("zxing-cpp",),
    make=_make,
)
