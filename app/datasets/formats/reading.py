"""What a reader found in a folder."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.datasets.folder import Folder
from app.datasets.labelled import Labelled

# Bytes; JSON and XML take many times as much memory when they are read.
MAX_FILE = 64 * 1024 * 1024


@dataclass
class Reading:
    """photos: with their annotations; problems: one sentence per file or photo that cannot be used."""

    photos: list[Labelled] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_json(folder: Folder, path: Path, found: Reading) -> Any:
    """The content of a JSON file; None, with the problem noted, where it cannot be read."""
    if (text := read_text(folder, path, found)) is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        found.problems.append(f"{folder.name(path)}: the file is not valid JSON")
        return None


def read_text(folder: Folder, path: Path, found: Reading) -> str | None:
    """The text of a file; None, with the problem noted, where it cannot be read."""
    try:
        if path.stat().st_size > MAX_FILE:
            found.problems.append(f"{folder.name(path)}: the file is larger than {MAX_FILE >> 20} MB")
            return None
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        found.problems.append(f"{folder.name(path)}: the file cannot be read")
        return None
