"""Where a model's engine lies, and whether it is of that model's weights. Text only: no torch, no OpenVINO."""

import hashlib
from pathlib import Path

from app.vision.catalogue import Model
from app.vision.checkpoints import sha256_of
from app.vision.engine.spec import SPEC_FILE, EngineError, EngineSpec

# Raised when the same weights would be exported to graphs that answer differently.
EXPORT_VERSION = "2"


def engine_folder(model: Model, checkpoints: Path) -> Path:
    """The folder of a model's engine within the checkpoints folder."""
    return checkpoints / "engines" / model.name


def origin(model: Model, checkpoints: Path) -> dict[str, str]:
    """What an engine made now would record of the files that it comes from."""
    path = model.path(checkpoints)
    assert path is not None
    assert model.config is not None
    config = hashlib.sha256(model.config.read_bytes()).hexdigest()
    return {"export": EXPORT_VERSION, "checkpoint": sha256_of(path), "config": config}


def current(model: Model, checkpoints: Path) -> bool:
    """Whether the model has an engine, and it was made from the checkpoint and config that are here.

    Where the checkpoint itself is not here (an image that only serves), any engine of the model counts.
    """
    folder = engine_folder(model, checkpoints)
    if not (folder / SPEC_FILE).is_file():
        return False
    try:
        source = EngineSpec.read(folder).source
    except EngineError:
        return False
    path = model.path(checkpoints)
    if path is None or not path.is_file():
        return source["checkpoint"].startswith(model.sha256)
    return all(source.get(name) == value for name, value in origin(model, checkpoints).items())
