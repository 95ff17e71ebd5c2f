"""`python -m app.vision.engine`: export every installed model whose engine is missing or out of date.

Models count as installed if their weights are here: those of the catalogue, of the zoo, and the one that MODEL names.
--quantize FOLDER adds int8 graphs to detectors, calibrated on the photos in that folder.
"""

import argparse
import contextlib
import fcntl
import logging
import os
import shutil
import sys
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from app.config.settings import Settings, SettingsError
from app.errors import PublicError
from app.intake import decode
from app.vision.analyses import registry
from app.vision.analyses.analysis import EngineExport
from app.vision.analyses.engines import current, engine_folder, origin
from app.vision.analyses.offer import known_models
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import CatalogueError, Model
from app.vision.catalogue.packages import weights
from app.vision.catalogue.zoo import find_model
from app.vision.engine.record import EngineError, read_record

CALIBRATION_PHOTOS = 64


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 1 if a model that was named cannot be exported."""
    parser = argparse.ArgumentParser(prog="python -m app.vision.engine", description=__doc__)
    parser.add_argument("models", nargs="*", help="names as for MODEL; default: all installed ones")
    parser.add_argument("--quantize", type=Path, metavar="FOLDER", help="photos to calibrate int8 graphs on")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    status = 0
    try:
        settings = Settings.from_env()
        checkpoints = settings.checkpoints_path
        models = [find_model(name) for name in options.models] or installed(settings)
    except (SettingsError, CatalogueError) as error:
        print(error, file=sys.stderr)
        return 1
    for model in models:
        try:
            if not up_to_date(model, checkpoints):
                print(f"Exporting {model.title} to OpenVINO, once; less than a minute.", flush=True)
                export(model, checkpoints)
            if options.quantize and export_of(model).quantize:
                print(f"Quantizing {model.title} to int8.", flush=True)
                quantize(model, checkpoints, options.quantize)
        except (EngineError, CheckpointError, OSError) as error:
            print(f"{model.title} cannot be exported: {error}", file=sys.stderr)
            status = 1 if options.models else status
    return status


def installed(settings: Settings) -> list[Model]:
    """The models that can be served, and the one that MODEL names, whose weights are here. Raises CatalogueError."""
    known = known_models()
    named = [] if settings.model == "auto" or settings.model in known else [find_model(settings.model)]
    models = [model for model in [*known.values(), *named] if registry.find(model.analyzer).export]
    return [model for model in models if weights(model, settings.checkpoints_path)]


def up_to_date(model: Model, checkpoints: Path) -> bool:
    """Whether a model's engine was made from the present files, by the installed versions of the tools.

    An engine made by a tool that is not installed counts, because it cannot be made again.
    """
    if not current(model, checkpoints):
        return False
    source = read_record(engine_folder(model, checkpoints))["source"]
    made_by = {name: version for name, version in source.items() if name not in origin(model, checkpoints)}
    here = versions(made_by)
    return len(here) < len(made_by) or here == made_by


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the packages that are installed."""
    installed = {}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            installed[package] = metadata.version(package)
    return installed


def export_of(model: Model) -> EngineExport:
    """How models of this analysis are exported. Raises EngineError if they have no engines."""
    export = registry.find(model.analyzer).export
    if export is None:
        raise EngineError("models of this analysis run without an engine.")
    return export


def export(model: Model, checkpoints: Path) -> None:
    """Export a model to its engine folder, which is replaced only on success. Raises EngineError, CheckpointError."""
    tools = export_of(model).tools
    here = versions(tools)
    for tool in tools:
        if tool not in here:
            raise EngineError(f"exporting needs {tool}; run `make full`.")
    folder = engine_folder(model, checkpoints)
    with _part(folder) as part:
        export_of(model).write(model, checkpoints, part, origin(model, checkpoints) | here)
        if folder.is_symlink():  # To a bundled engine.
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)
        part.replace(folder)


@contextlib.contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """A folder of this process to export to. Folders of exports that were killed are deleted.

    Running exports hold a lock, which ends with the process; a process id means nothing in another container.
    """
    for left in folder.parent.glob(f"{folder.name}.part-*"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left, ignore_errors=True)
    part = folder.with_name(f"{folder.name}.part-{uuid.uuid4().hex}")
    part.mkdir(parents=True)
    try:
        with _locked(part):
            yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError if another process has locked the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def quantize(model: Model, checkpoints: Path, photos: Path) -> None:
    """Add int8 graphs to a model's engine, calibrated on up to CALIBRATION_PHOTOS photos of a folder.

    Raises EngineError if none can be read.
    """
    quantize_folder = export_of(model).quantize
    if quantize_folder is None:
        raise EngineError("engines of this analysis have no int8 graphs.")
    if not photos.is_dir():
        raise EngineError(f"{photos} is not a folder; --quantize needs photos to calibrate on.")
    files = sorted(p for p in photos.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    chosen = files[:: max(1, len(files) // CALIBRATION_PHOTOS)][:CALIBRATION_PHOTOS]
    quantize_folder(engine_folder(model, checkpoints), _decoded(chosen))


def _decoded(files: Iterable[Path]) -> Iterator[np.ndarray]:
    """The pixels of photos, one at a time; those that cannot be read are reported and skipped."""
    for path in files:
        try:
            rgb = decode(path.read_bytes())
        except (PublicError, OSError) as error:
            print(f"{path.name} is skipped: {error}", file=sys.stderr)
            continue
        yield rgb


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
