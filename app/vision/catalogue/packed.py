"""A trained model's folder as one file, in which a store keeps it."""

import io
import json
import os
import shutil
import tomllib
import zipfile
from pathlib import Path

from app.vision.catalogue.models import CatalogueError
from app.vision.catalogue.zoo import only_model

CATALOGUE = "models.toml"


def pack(folder: Path, name: str, title: str) -> bytes:
    """The ZIP of a trained model's folder: catalogue, config, weights, and its engine's description where it has one.

    name, title: of the model from now on. Raises CatalogueError: the folder is not one that a training left.
    """
    model = only_model(folder)
    if model.config is None or model.home is None:
        raise CatalogueError(f"{folder} has no weights beside its models.toml.")
    [entry] = tomllib.loads((folder / CATALOGUE).read_text())["model"]
    entry |= {"name": name, "title": title}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(CATALOGUE, "\n".join(["[[model]]", *lines, ""]))
        for path in (model.config, folder / model.file, model.config.with_suffix(".json")):
            if path.is_file():
                archive.write(path, path.name)
    return buffer.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """Make the folder again, whole or not at all. Raises CatalogueError: this is not what `pack` made."""
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                if Path(name).name != name:
                    raise CatalogueError("A model's files have plain names.")
                (part / name).write_bytes(archive.read(name))
        only_model(part)
        if not folder.exists():
            part.replace(folder)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise CatalogueError("A stored model cannot be read.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
