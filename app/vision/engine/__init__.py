"""Exported models, run by OpenVINO without torch."""

import sys
from typing import Any, cast

# OpenVINO and NNCF send their makers word of every conversion through this package, and go on without where it is
# not installed. What a self-hosted service does is nobody else's business.
cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)
