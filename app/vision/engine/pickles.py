"""Reads pickles of weights without executing anything in them.

A pickle is a program for a small stack machine. `pickletools` takes it apart; the machine here implements the
instructions that make plain values, and of all names only those that weights need: tensors, `OrderedDict`, and NumPy's
numbers in a checkpoint's metadata. Nothing is imported, and nothing is called by name.
"""

import io
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# A checkpoint of three hundred tensors takes 20,000 instructions and 60 KB. Larger
# files could fill the memory, and are not read.
MAX_STEPS, MAX_BYTES = 300_000, 1 << 24
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


@dataclass(frozen=True)
class Loaded:
    """The value that a pickle makes, tensors as `Tensor`; the storages that it names, whole, by key; its bytes."""

    value: Any
    storages: dict[str, Storage]
    length: int


def load(data: bytes) -> Loaded:
    """Read the pickle at the beginning of these bytes. Raises PickleError."""
    stream = io.BytesIO(data)
    machine = Machine()
    try:
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if steps > MAX_STEPS:
                raise PickleError("is longer than weights need, so it was not read")
            machine.step(opcode.name, argument)
        return Loaded(machine.stack.pop(), machine.storages, stream.tell())
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError, AssertionError) as error:
        if isinstance(error, PickleError):
            raise
        raise PickleError(BROKEN) from error


class Machine:
    """The stack, the memo, and what each instruction does to them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction, by `pickletools`' name of it."""
        if name in IGNORED:
            return
        if name in VALUES:
            make = VALUES[name]
            self.stack.append(make() if make else argument)
        elif name in INSTRUCTIONS:
            INSTRUCTIONS[name](self, argument)
        else:
            raise PickleError(f"holds more than plain values ({name}), so it was not read: only plain weights are")

    def since_mark(self) -> list[Any]:
        """Pop everything above the last mark."""
        mark = self.marks.pop()
        taken = self.stack[mark:]
        del self.stack[mark:]
        return taken

    def take(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def remember(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise TypeError
        target.extend(values)

    def update(self, values: list[Any]) -> None:
        fill(self.stack[-1], values)

    def named(self, module: str, name: str) -> None:
        self.stack.append(look_up(f"{module}.{name}"))

    def reduce(self, _: Any) -> None:
        asked, arguments = self.take(2)
        if not isinstance(asked, Named) or asked.make is None or type(arguments) is not tuple:
            raise TypeError
        self.stack.append(asked.make(*arguments))

    def build(self, _: Any) -> None:
        """Set the versions of torch's modules; ignore the state of NumPy's types, which is known."""
        target, state = self.stack[-2], self.stack.pop()
        if isinstance(target, OrderedDict) and type(state) is dict:
            versions = state.get("_metadata")
            if isinstance(versions, dict):
                target._metadata = versions  # type: ignore[attr-defined]
        elif not (isinstance(target, Named) and target.name == "numpy.dtype"):
            raise TypeError

    def persistent(self, _: Any) -> None:
        """A storage: ("storage", its type, key, place, count, None or (key, offset, count) of a part of it)."""
        kind, asked, key, _place, count, *view = self.stack.pop()
        if kind != "storage" or not isinstance(asked, Named) or asked.dtype is None or type(key) is not str:
            raise TypeError
        stored = Storage(key, asked.dtype, 0, whole(count))
        if self.storages.setdefault(key, stored) != stored:
            raise ValueError
        if view and view[0] is not None:
            _, offset, count = view[0]
            stored = Storage(key, asked.dtype, whole(offset), whole(count))
        self.stack.append(stored)


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

# Instructions that put a value on the stack: the argument itself, or what this makes.
VALUES: dict[str, Callable[[], Any] | None] = {
    **dict.fromkeys(("INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "FLOAT", "BINFLOAT")),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE")),
    **dict.fromkeys(("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")),
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
IGNORED = ("PROTO", "FRAME", "STOP")
INSTRUCTIONS: dict[str, Callable[[Machine, Any], Any]] = {
    "MARK": Machine.mark,
    "POP": lambda machine, _: machine.take(1),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.take(3))),
    "SETITEM": lambda machine, _: machine.update(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "DICT": lambda machine, _: machine.stack.append(dict(ordered(zip(*[iter(machine.since_mark())] * 2, strict=True)))),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), Machine.remember),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine.recall),
    "GLOBAL": lambda machine, name: machine.named(*name.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.named(*machine.take(2)),
    "REDUCE": Machine.reduce,
    "BUILD": Machine.build,
    "BINPERSID": Machine.persistent,
}
