"""Weights on disk: known by their hash, read without ever running what a file says."""

import functools
import hashlib
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.vision.catalogue.models import Model

if TYPE_CHECKING:
    import torch


class CheckpointError(RuntimeError):
    """Weights that cannot be fetched or used; the message is one sentence with the next step."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds: tensors by name, and what it says about itself."""

    state: "dict[str, torch.Tensor]"
    meta: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names that an MMDetection checkpoint holds; empty where it holds none."""
        names = self.meta.get("CLASSES") or ()
        return tuple(str(name) for name in ([names] if isinstance(names, str) else names))


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
        raise CheckpointError(f"{path.name} has {size} bytes where the catalogue says {model.size}; {_again(model)}.")
    if not digest.startswith(model.sha256):
        found = digest[: len(model.sha256)]
        raise CheckpointError(
            f"{path.name} has SHA-256 {found} where the catalogue says {model.sha256}; {_again(model)}."
        )
    return digest


def _again(model: Model) -> str:
    if not model.url:
        return "take the file from the repository again"
    return f"delete it and run `make weights MODEL={model.name}`"


def load_weights(path: Path, model: Model) -> Checkpoint:
    """Read a checkpoint with torch's weights-only loader, onto the CPU.

    Tensors, containers, texts, numbers and NumPy's scalars are all that it builds; whatever else a pickle asks for
    is refused, whether the file is the catalogue's or not.

    Raises:
        CheckpointError: the file is not the catalogue's, is broken, or holds more than weights.
    """
    verify(path, model)
    return read_weights(path)


def read_weights(path: Path) -> Checkpoint:
    """`load_weights` of a file that no catalogue knows, such as one from a package or a test."""
    import torch

    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"asks for {wanted[1]}" if wanted else "is not a file of weights"
        raise CheckpointError(f"{path.name} {what}, so it was not read: only plain weights are.") from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path.name} is broken or not a file of weights.") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path.name} holds no weights.")
    inner = data.get("state_dict", data)
    state = {key: value for key, value in inner.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise CheckpointError(f"{path.name} holds no weights.")
    meta = data.get("meta") if "state_dict" in data else None
    return Checkpoint(_versioned(state, inner), meta if isinstance(meta, dict) else {})


def _versioned(state: dict[str, Any], origin: dict[str, Any]) -> dict[str, Any]:
    """The state as torch keeps it: with its modules' versions, by which some layers know old checkpoints."""
    from collections import OrderedDict

    result = OrderedDict(state)
    result._metadata = getattr(origin, "_metadata", {})  # type: ignore[attr-defined]
    return result


def _numpy_scalars() -> list[Any]:
    """What a NumPy number in a checkpoint's meta data is made of, by the names of NumPy 1 and 2."""
    import _codecs

    import numpy as np

    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    kinds = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "?")]
    return [(scalar, "numpy.core.multiarray.scalar"), scalar, np.dtype, _codecs.encode, *kinds]
