"""Weights on disk: verified by their hash, and read without running any code that a file holds."""

import functools
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.vision.catalogue.models import Model
from app.vision.catalogue.torchvision_names import to_mmdet
from app.vision.engine.pickle_names import Tensor
from app.vision.engine.pth import PthError, read_pth

if TYPE_CHECKING:
    import torch


class CheckpointError(RuntimeError):
    """Weights that cannot be fetched or used; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    state: arrays by name, views of the file that cannot be written to, in its order; bfloat16 as float32.
    meta: what the file says about itself; versions: of the modules that wrote it, by which some layers of PyTorch know
    old checkpoints.
    """

    state: dict[str, np.ndarray]
    meta: dict[str, Any]
    versions: dict[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names that an MMDetection checkpoint holds; empty where it holds none."""
        names = self.meta.get("CLASSES") or ()
        names = [names] if isinstance(names, str) else names
        return tuple(name for name in names if isinstance(name, str)) if isinstance(names, (list, tuple)) else ()

    def tensors(self) -> "dict[str, torch.Tensor]":
        """The state for PyTorch's `load_state_dict`, in memory of its own."""
        import torch

        state = OrderedDict((name, torch.tensor(values)) for name, values in self.state.items())
        state._metadata = self.versions  # type: ignore[attr-defined]
        return state


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex; read again only when the file changed."""
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, size: int, changed: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, model: Model) -> str:
    """Check a file against the catalogue.

    Returns:
        Its whole SHA-256 in hex.

    Raises:
        CheckpointError: it is not there, or its size or hash is not the catalogue's.
    """
    try:
        size, digest = path.stat().st_size, sha256_of(path)
    except OSError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error.strerror}.") from error
    if model.size is not None and size != model.size:
        raise CheckpointError(
            f"{path.name} has {size} bytes where the catalogue says {model.size}; {_how_to_replace(model)}."
        )
    if not digest.startswith(model.sha256):
        found = digest[: len(model.sha256)]
        raise CheckpointError(
            f"{path.name} has SHA-256 {found} where the catalogue says {model.sha256}; {_how_to_replace(model)}."
        )
    return digest


def _how_to_replace(model: Model) -> str:
    if not model.sources:
        return "take the file from the repository again"
    return f"delete it and run `make weights MODEL={model.name}`"


def load_weights(path: Path, model: Model) -> Checkpoint:
    """Read a checkpoint without running any code in it; a detector's weights get MMDetection's names.

    Only tensors, containers, texts, numbers and NumPy's scalars are read. Anything else in a pickle is refused, even in
    a file of the catalogue.

    Raises:
        CheckpointError: the file is not the catalogue's, is broken, or holds more than weights.
    """
    verify(path, model)
    found = read_weights(path)
    if (model.analyzer, model.loader) != ("objects", "torchvision"):
        return found
    try:
        return Checkpoint(to_mmdet(found.state), {})
    except ValueError as error:
        raise CheckpointError(f"{path.name} {error}.") from error


def read_weights(path: Path) -> Checkpoint:
    """`load_weights` of a file that no catalogue knows, such as one from a package or a test."""
    try:
        data, array = read_pth(path)
        inner = data.get("state_dict", data) if isinstance(data, dict) else {}
        named = inner.items() if isinstance(inner, dict) else ()
        state = {str(key): array(value) for key, value in named if isinstance(value, Tensor)}
    except (PthError, OSError) as error:
        said = error if isinstance(error, PthError) else "cannot be read"
        raise CheckpointError(f"{path.name} {said}.") from error
    if not state:
        raise CheckpointError(f"{path.name} holds no weights.")
    if all(name.startswith("module.") for name in state):  # Saved from within `DataParallel`.
        state = {name.removeprefix("module."): value for name, value in state.items()}
    meta = data.get("meta") if inner is not data else None
    return Checkpoint(state, meta if isinstance(meta, dict) else {}, getattr(inner, "_metadata", {}))
