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

from app.vision.engine.pickle_names import BROKEN, Named, PickleError, Storage, fill, look_up, ordered, whole

# A checkpoint of three hundred tensors takes 20,000 instructions and 60 KB. Larger
# files could fill the memory, and are not read.
MAX_STEPS, MAX_BYTES = 300_000, 1 << 24


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
