"""Blocks OpenVINO's telemetry."""

import sys
from typing import Any, cast


def block_telemetry() -> None:
    """Keep OpenVINO and NNCF from reporting to their makers.

    Both report through the package `openvino_telemetry`, OpenVINO as soon as it is imported, and work without it. A
    module that is None in `sys.modules` counts as not installed. Call this before the first import of either.
    """
    cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)
