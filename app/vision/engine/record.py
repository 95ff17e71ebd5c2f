"""`engine.json`: the description of an engine folder."""

import json
from pathlib import Path
from typing import Any

SPEC_FILE = "engine.json"
# Raised when graphs of an older export cannot be used any more.
FORMAT = 1


class EngineError(RuntimeError):
    """An engine folder that cannot be used; the message says why and what to do."""


def write_record(folder: Path, values: dict[str, Any]) -> None:
    """Write an engine's `engine.json`. values: JSON, with the engine's origin as `source`."""
    (folder / SPEC_FILE).write_text(json.dumps({"format": FORMAT, **values}, indent=1))


def read_record(folder: Path) -> dict[str, Any]:
    """Read what `write_record` wrote. Raises EngineError if the folder has no engine of this format."""
    try:
        data: dict[str, Any] = json.loads((folder / SPEC_FILE).read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise EngineError(f"{folder} holds no engine; run `make engine`.") from error
    if data.pop("format", None) != FORMAT:
        raise EngineError(f"The engine in {folder} was made by another version; run `make engine`.")
    return data
