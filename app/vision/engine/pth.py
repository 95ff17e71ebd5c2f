"""Reads PyTorch's files of weights without PyTorch: zip archives, and the sequences of pickles before 1.6.

The file is mapped into memory, and arrays are views of it. Sizes in the file are checked against its actual size
before they are used. The formats are those of `torch/serialization.py`.
"""

import io
import math
import mmap
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from app.vision.engine.pickle_names import BFLOAT16, BROKEN, PickleError, Storage, Tensor, whole
from app.vision.engine.pickles import MAX_BYTES, Loaded, load

# What a row of pickles begins with, and the version of its format.
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
# Bytes of an archive's list of records, of which `zipfile` makes several times as much.
MAX_LISTED = 1 << 22
# A record's header in an archive: signature, and the lengths of the name and the extra field that follow.
HEADER = struct.Struct("<4s22xHH")
MAX_DIMENSIONS = 32
# Raised for malformed bytes.
UNREADABLE = (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, TypeError, LookupError, OverflowError)
# Where the bytes of each storage are, by its key: start and size.
Places = dict[str, tuple[int, int]]


class PthError(ValueError):
    """A file that cannot be read; the message follows the file's name."""


def read_pth(path: Path) -> tuple[Any, Callable[[Tensor], np.ndarray]]:
    """What a file of weights holds, tensors as `Tensor`; and what gives their arrays, which raises PthError.

    Arrays are views of the file and cannot be written to; bfloat16 comes as float32. Raises PthError and OSError.
    """
    try:
        with _BoundedFile(path) as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            loaded, places = _archive(file, mapped) if mapped[:4] == b"PK\x03\x04" else _row(mapped)
    except (PthError, PickleError) as error:
        raise PthError(str(error)) from error
    except UNREADABLE as error:  # mmap raises ValueError for an empty file.
        raise PthError(BROKEN) from error

    @cache
    def numbers(storage: Storage) -> np.ndarray:
        start, size = places.get(storage.key, (0, 0))
        width = storage.dtype.itemsize
        if (storage.offset + storage.count) * width > size:
            raise PthError("says that it holds more numbers than it does")
        found = np.frombuffer(mapped, storage.dtype, storage.count, start + storage.offset * width)
        return _widened(found) if storage.dtype == BFLOAT16 else found

    return loaded.value, lambda tensor: _view(tensor, numbers(tensor.storage), len(mapped))


class _BoundedFile(io.FileIO):
    """A file of which at most MAX_LISTED bytes can be read at a time, which limits an archive's list of records."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > MAX_LISTED:
            raise PthError("lists more records than weights need, so it was not read")
        return super().read(-1 if size is None else size)


def _archive(file: io.FileIO, mapped: mmap.mmap) -> tuple[Loaded, Places]:
    """An archive holds a pickle, `data.pkl`, and the bytes of each storage, `data/<key>`, none of them compressed."""
    with zipfile.ZipFile(file) as archive:
        records = archive.infolist()
    places = {record.filename: _place(record, mapped) for record in records}
    # Overlapping records would be larger than the file together.
    if len(places) < len(records) or sum(size for _, size in places.values()) > len(mapped):
        raise ValueError
    (name,) = (name for name in places if name.endswith("/data.pkl") and name.count("/") == 1)
    places = {key.removeprefix(name.removesuffix("data.pkl")): place for key, place in places.items()}
    if "constants.pkl" in places:
        raise PthError("is a program of TorchScript, not a file of weights")
    if "byteorder" in places and _bytes(mapped, *places["byteorder"]) != b"little":
        raise PthError("was written on a machine with another order of bytes, so it was not read")
    loaded = load(_bytes(mapped, *places["data.pkl"]))
    return loaded, {key: places[f"data/{key}"] for key in loaded.storages}


def _place(record: zipfile.ZipInfo, mapped: mmap.mmap) -> tuple[int, int]:
    if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
        raise PthError("is compressed, which files of weights are not, so it was not read")
    signature, name, extra = HEADER.unpack_from(mapped, record.header_offset)
    start = record.header_offset + HEADER.size + name + extra
    if signature != b"PK\x03\x04" or start + record.file_size > len(mapped):
        raise ValueError
    return start, record.file_size


def _row(mapped: mmap.mmap) -> tuple[Loaded, Places]:
    """Five pickles: magic number, version, machine, value, and keys of storages; then each storage: count, numbers."""
    at, pickles = 0, []
    for _ in range(5):
        pickles.append(load(_bytes(mapped, at, len(mapped) - at)))
        at += pickles[-1].length
    magic, version, machine, loaded, keys = pickles
    if (magic.value, version.value) != (MAGIC, VERSION):
        raise ValueError
    if not machine.value["little_endian"]:
        raise PthError("was written on a machine with another order of bytes, so it was not read")
    places: Places = {}
    for key in keys.value:
        stored = loaded.storages[key]
        size = stored.count * stored.dtype.itemsize
        if struct.unpack_from("<q", mapped, at) != (stored.count,) or at + 8 + size > len(mapped) or key in places:
            raise ValueError
        places[key] = at + 8, size
        at += 8 + size
    return loaded, places


def _bytes(mapped: mmap.mmap, start: int, size: int) -> bytes:
    """The bytes of a pickle, at most MAX_BYTES."""
    return mapped[start : start + min(size, MAX_BYTES)]


def _widened(numbers: np.ndarray) -> np.ndarray:
    """bfloat16 as the float32 that begin with the same bits."""
    wide = numbers.view(np.uint16).astype(np.uint32)
    wide <<= 16
    wide.setflags(write=False)
    return wide.view(np.float32)


def _view(tensor: Tensor, numbers: np.ndarray, max_numbers: int) -> np.ndarray:
    """A tensor as a view of its storage. max_numbers: its maximum size, repeated numbers included."""
    try:
        offset, shape, strides = whole(tensor.offset), *(tuple(map(whole, v)) for v in (tensor.shape, tensor.strides))
    except TypeError as error:
        raise PthError(BROKEN) from error
    steps = [(side - 1) * stride for side, stride in zip(shape, strides, strict=False)]
    if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS or math.prod(shape) > max_numbers:
        raise PthError(BROKEN)
    if 0 in shape:
        if math.prod(filter(None, shape)) > max_numbers:
            raise PthError(BROKEN)
        return np.empty(shape, numbers.dtype)
    if offset + sum(steps) >= len(numbers):
        raise PthError("says that it holds more numbers than it does")
    # The stride of a dimension of size 1 has no meaning, and can have any value.
    width = numbers.itemsize
    known = [stride * width if side > 1 else 0 for side, stride in zip(shape, strides, strict=True)]
    return as_strided(numbers[offset:], shape, known, writeable=False)
