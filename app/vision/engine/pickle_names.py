"""What pickles of weights may refer to by name, and what is made in its place. Nothing is imported by name."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_NAME = 200
BROKEN = "is broken or not a file of weights"
# bfloat16, which NumPy lacks: its bits, widened to float32 when they are read.
BFLOAT16 = np.dtype([("bfloat16", "<u2")])
# By PyTorch's names of typed storages and of number types.
STORAGES = {
    "BFloat16": BFLOAT16,
    "Bool": np.dtype(np.bool_),
    "Byte": np.dtype(np.uint8),
    "Char": np.dtype(np.int8),
    "ComplexDouble": np.dtype(np.complex128),
    "ComplexFloat": np.dtype(np.complex64),
    "Double": np.dtype(np.float64),
    "Float": np.dtype(np.float32),
    "Half": np.dtype(np.float16),
    "Int": np.dtype(np.int32),
    "Long": np.dtype(np.int64),
    "Short": np.dtype(np.int16),
    "Untyped": np.dtype(np.uint8),
}
NUMBERS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
NUMPY_CODES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}


class PickleError(ValueError):
    """A pickle that is broken or holds more than weights; the message follows the file's name."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers elsewhere in the file. key: its name there; offset, count: in numbers of dtype."""

    key: str
    dtype: np.dtype
    offset: int
    count: int


@dataclass(frozen=True)
class Tensor:
    """A tensor as the pickle describes it; strides and offset in numbers, not checked yet."""

    storage: Storage
    offset: Any
    shape: Any
    strides: Any


@dataclass(frozen=True)
class Named:
    """An object that a pickle refers to by name. make: called in its place; None if it cannot be called."""

    name: str
    make: Callable[..., Any] | None = None
    dtype: np.dtype | None = None


def whole(value: Any) -> int:
    """A whole number of at least 0. Raises TypeError for anything else."""
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise TypeError
    return value


def fill(target: Any, values: list[Any]) -> None:
    """Put keys and values, in turn, into a dict. Keys are strings or numbers: others could be slow to compare."""
    if not isinstance(target, dict) or len(values) % 2:
        raise TypeError
    for key, value in zip(values[::2], values[1::2], strict=True):
        if type(key) is not str and not (type(key) is int and abs(key) < 1 << 53):
            raise TypeError
        target[key] = value


def look_up(name: str) -> Named:
    """The object of a name that files of weights may use. Raises PickleError, with the name, for any other."""
    if name in NAMES:
        return NAMES[name]
    module, _, last = name.rpartition(".")
    if module in ("torch", "torch.storage", "torch.cuda") and last.removesuffix("Storage") in STORAGES:
        return Named(name, dtype=STORAGES[last.removesuffix("Storage")])
    if module == "torch" and last in NUMBERS:
        return Named(name, dtype=np.dtype(last))
    if len(name) > MAX_NAME or not all(part.isidentifier() for part in name.split(".")):
        raise PickleError(BROKEN)
    raise PickleError(f"asks for {name}, so it was not read: only plain weights are")


def ordered(pairs: Any = ()) -> "OrderedDict[Any, Any]":
    made: OrderedDict[Any, Any] = OrderedDict()
    fill(made, [part for key, value in pairs for part in (key, value)])
    return made


def tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    """Of `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`."""
    if not isinstance(storage, Storage):
        raise TypeError
    return Tensor(storage, offset, shape, strides)


def typed_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, kind: Any, *_: Any
) -> Tensor:
    """Of `torch._utils._rebuild_tensor_v3`: bytes and their number type."""
    if not isinstance(storage, Storage) or not isinstance(kind, Named) or kind.dtype is None:
        raise TypeError
    if storage.dtype.itemsize != 1 or storage.count % kind.dtype.itemsize or storage.offset:
        raise ValueError
    return Tensor(Storage(storage.key, kind.dtype, 0, storage.count // kind.dtype.itemsize), offset, shape, strides)


def parameter(data: Any, *_: Any) -> Any:
    """Of `torch._utils._rebuild_parameter`: the tensor in it."""
    if not isinstance(data, Tensor):
        raise TypeError
    return data


def numpy_type(code: Any, *_: Any) -> Named:
    if code not in NUMPY_CODES:
        raise TypeError
    return Named("numpy.dtype", dtype=np.dtype(code))


def numpy_number(kind: Any, data: Any) -> Any:
    if not isinstance(kind, Named) or kind.dtype is None or type(data) is not bytes:
        raise TypeError
    (number,) = np.frombuffer(data, kind.dtype)
    return number.item()


def encoded(text: Any, encoding: Any) -> bytes:
    """Of `_codecs.encode`: how Python 2's pickles encode bytes."""
    if type(text) is not str or encoding != "latin1":
        raise TypeError
    return text.encode("latin1")


def shape_of(values: Any = ()) -> tuple[Any, ...]:
    """Of `torch.Size`."""
    if type(values) is not tuple:
        raise TypeError
    return values


MAKERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": ordered,
    "torch._utils._rebuild_tensor": tensor,
    "torch._utils._rebuild_tensor_v2": tensor,
    "torch._utils._rebuild_tensor_v3": typed_tensor,
    "torch._utils._rebuild_parameter": parameter,
    "torch.Size": shape_of,
    "numpy.dtype": numpy_type,
    "numpy.core.multiarray.scalar": numpy_number,
    "numpy._core.multiarray.scalar": numpy_number,
    "_codecs.encode": encoded,
}
NAMES = {name: Named(name, make) for name, make in MAKERS.items()} | {
    "torch.bfloat16": Named("torch.bfloat16", dtype=BFLOAT16)
}
