"""Where a model's engine is, and whether it was made from that model's weights. Imports neither torch nor OpenVINO."""

from pathlib import Path

from app.vision.analyses import registry
from app.vision.catalogue.config_text import digest
from app.vision.catalogue.models import Model
from app.vision.catalogue.packages import checksum, weights
from app.vision.engine.record import SPEC_FILE, EngineError, read_record


def engine_folder(model: Model, checkpoints: Path) -> Path:
    """The folder of a model's engine: within the checkpoints folder, or in the folder of its own training."""
    return model.home / "engine" if model.home else checkpoints / "engines" / model.name


def origin(model: Model, checkpoints: Path) -> dict[str, str]:
    """What an engine made now would record of the files that it comes from."""
    export = registry.find(model.analyzer).export
    source = {"export": export.version if export else "", "checkpoint": checksum(weights(model, checkpoints))}
    if model.config is not None:
        source["config"] = digest(model.config)
    return source


def current(model: Model, checkpoints: Path) -> bool:
    """Whether the model has an engine, and it was made from the weights and config that are here.

    Where the weights themselves are not here (an image that only serves), any engine of the model counts.
    """
    folder = engine_folder(model, checkpoints)
    if not (folder / SPEC_FILE).is_file():
        return False
    try:
        source: dict[str, str] = read_record(folder)["source"]
    except EngineError:
        return False
    if not weights(model, checkpoints):
        return source["checkpoint"].startswith(model.sha256)
    return all(source.get(name) == value for name, value in origin(model, checkpoints).items())
