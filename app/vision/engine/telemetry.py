"""No reports about imports and conversions of models."""

import sys
from typing import Any, cast


def block_telemetry() -> None:
    """Keep OpenVINO and NNCF from reporting to their makers.

    Both report through the package `openvino_telemetry`, OpenVINO already when it is imported, and go on without it
    where it is not installed. Python takes a module that is None in `sys.modules` for one that is not installed. Call
    this before the first import of either.
    """
    cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)
