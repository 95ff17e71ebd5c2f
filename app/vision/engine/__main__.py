"""`python -m app.vision.engine`: export every installed detector whose engine is missing or out of date.

--quantize FOLDER adds int8 graphs, calibrated on the photos in that folder.
"""

import argparse
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from app.intake import decode
from app.settings import Settings, SettingsError
from app.vision.catalogue import CatalogueError, Model, load_catalogue
from app.vision.checkpoints import CheckpointError, load_weights
from app.vision.engine.folder import current, engine_folder, origin
from app.vision.engine.spec import EngineError
from app.vision.zoo import find_model

CALIBRATION_PHOTOS = 64
TOOLS = ("torch", "mmcv-full", "mmdet", "openvino")


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 1 when a model named by hand cannot be exported."""
    parser = argparse.ArgumentParser(prog="python -m app.vision.engine", description=__doc__)
    parser.add_argument("models", nargs="*", help="names in the catalogue; all installed detectors when none is given")
    parser.add_argument("--quantize", type=Path, metavar="FOLDER", help="photos to calibrate int8 graphs on")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    status = 0
    try:
        checkpoints = Settings.from_env().checkpoints_path
        models = [find_model(name) for name in options.models] or installed(checkpoints)
    except (SettingsError, CatalogueError) as error:
        print(error, file=sys.stderr)
        return 1
    for model in models:
        try:
            if not current(model, checkpoints):
                print(f"Exporting {model.title} to OpenVINO, once; about half a minute.", flush=True)
                export(model, checkpoints)
            if options.quantize:
                print(f"Quantizing {model.title} to int8.", flush=True)
                quantize(model, checkpoints, options.quantize)
        except (EngineError, CheckpointError) as error:
            print(f"{model.title} stays on MMDetection: {error}", file=sys.stderr)
            status = 1 if options.models else status
    return status


def installed(checkpoints: Path) -> list[Model]:
    """The detectors of the catalogue whose weights are here."""
    detectors = [model for model in load_catalogue().values() if model.loader == "mmdet"]
    return [model for model in detectors if (checkpoints / model.file).is_file()]


def export(model: Model, checkpoints: Path) -> None:
    """Make a model's engine folder anew; it is put in place only when whole. Raises EngineError, CheckpointError."""
    import mmcv

    from app.vision.analyzers.mmdet import build
    from app.vision.engine.export import export_detector

    weights = load_weights(checkpoints / model.file, model)
    config = mmcv.Config.fromfile(str(model.config))
    detector = build(config, weights, 0.05)
    folder = engine_folder(model, checkpoints)
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    source = origin(model, checkpoints) | {tool: metadata.version(tool) for tool in TOOLS}
    try:
        export_detector(detector, config, model.classes or weights.classes, part, source)
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def quantize(model: Model, checkpoints: Path, photos: Path) -> None:
    """Add int8 graphs to a model's engine. Raises EngineError when the folder holds no photo."""
    from app.vision.engine.quantize import quantize as quantize_folder

    files = sorted(p for p in photos.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    if not files:
        raise EngineError(f"{photos} holds no photo to calibrate on.")
    chosen = files[:: max(1, len(files) // CALIBRATION_PHOTOS)][:CALIBRATION_PHOTOS]
    quantize_folder(engine_folder(model, checkpoints), [decode(path.read_bytes()) for path in chosen])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
