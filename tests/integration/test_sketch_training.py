"""The drawing recogniser's training from end to end on a small set: fetch, train, publish, serve, measure."""

import gzip
import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from torch import nn

from app.sketch import ANIMALS, Recogniser, Strokes, raster
from app.sketch.training import recipe
from app.sketch.training.__main__ import main
from app.sketch.training.data import Drawing, SketchDataError, assign_folds, identity, read_bitmaps, read_drawings
from app.sketch.training.download import download_bitmaps, download_strokes
from app.sketch.training.evaluate import main as evaluate
from app.sketch.training.export import publish
from app.sketch.training.networks import NAMES, build
from app.sketch.training.train import Plan, Pool, train
from app.sketch.training.words import WORDS
from tests.http_server import Seen, Server, reply, serving

OTHERS = ("house", "tree", "ice cream", "line")
QUICK = ["--folds", "2", "--versions", "2", "--animal-versions", "2"]


def made_up(word: str, number: int) -> Strokes:
    """A polygon with as many corners as its word's place, a little different each time."""
    rng = np.random.default_rng(number)
    corners = 3 + [*ANIMALS, *OTHERS].index(word)
    angles = np.arange(corners + 1) * 2 * np.pi / corners
    outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) * 120 + 128 + rng.normal(0, 3, (corners + 1, 2))
    return [np.rint(outline), np.array([[100, 100], [128 + number, 128.0]])]


def line_of(word: str, strokes: Strokes) -> str:
    return json.dumps({"word": word, "recognized": True, "drawing": [stroke.T.tolist() for stroke in strokes]})


def write(folder: Path, each: int = 4) -> Path:
    folder.mkdir(parents=True)
    for word in (*ANIMALS, *OTHERS):
        lines = [line_of(word, made_up(word, i)) for i in range(each)]
        (folder / f"{word}.ndjson").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sketches") / "strokes")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_what_is_trained_serves_and_is_measured_on_what_it_has_not_learned(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bitmaps = tmp_path / "bitmaps"
    bitmaps.mkdir()
    own = np.stack([raster(made_up("cat", i)) for i in (0, 1, 2, 3, 40, 41, 42)])
    np.save(bitmaps / "cat.npy", own.reshape(-1, 1, 784))
    out = tmp_path / "checkpoints"
    assert main(["--strokes", str(data), "--bitmaps", str(bitmaps), "--out", str(out), "--steps", "3", *QUICK]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        f"sketch_{name}.{ending}" for name in sorted(NAMES) for ending in ("json", "onnx")
    ]
    recogniser = Recogniser.from_folder(out)
    assert sum(recogniser.recognise(raster(made_up("dog", 9))).probabilities.values()) == pytest.approx(1)
    card = recogniser.card
    assert card["words"] == [*ANIMALS, *sorted(OTHERS)]
    # The four drawings that are in both files are learned from in neither.
    assert card["training"]["bitmaps"] == {"cat": 3}

    monkeypatch.setenv("CHECKPOINTS_DIR", str(out))
    capsys.readouterr()
    assert evaluate(["sketch", str(data)]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (again["cross_validated"], again["new"]) == (40, 0)
    for part in ("animals", "others"):
        figures = {name: value for name, value in card["measured"][part].items() if isinstance(value, float)}
        assert figures
        # The file is in half precision, by which a drawing on the brink may fall to the other side.
        assert {name: again[part][name] for name in figures} == pytest.approx(figures, abs=0.03)
    new = write(tmp_path / "new", each=6)
    assert evaluate(["sketch_baseline", str(new)]) == 0
    mixed = json.loads(capsys.readouterr().out.splitlines()[-1])
    # Two more of each animal are new; more drawings of a word that a fold left out stay with that fold.
    assert (mixed["cross_validated"], mixed["new"]) == (6 * 4 + 4 * 6, 6 * 2)


def test_a_training_that_is_stopped_goes_on_after_its_last_whole_fold(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["--strokes", str(data), "--network", "small", "--steps", "2", *QUICK]
    trained: list[int] = []

    def train_and_stop(name: str, pool: Pool, plan: Plan) -> nn.Module:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(plan.seed)
        return train(name, pool, plan)

    monkeypatch.setattr(recipe, "train", train_and_stop)
    assert main([*command, "--out", str(out)]) == 130
    assert "goes on after the last whole fold" in capsys.readouterr().err
    assert [path.suffix for path in out.iterdir()] == [".pt"]
    monkeypatch.setattr(recipe, "train", lambda *given: trained.append(given[2].seed) or train(*given))
    assert main([*command, "--out", str(out)]) == 0
    assert trained == [0, 1]
    assert sorted(path.name for path in out.iterdir()) == ["sketch_small.json", "sketch_small.onnx"]
    monkeypatch.setattr(recipe, "train", train)
    assert main([*command, "--out", str(tmp_path / "at once")]) == 0
    weights = [(folder / "sketch_small.onnx").read_bytes() for folder in (out, tmp_path / "at once")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_served_equals_what_was_trained(name: str, tmp_path: Path) -> None:
    words = [*ANIMALS, *OTHERS]
    torch.manual_seed(1)
    networks = [build(name, len(words)).eval() for _ in range(3)]
    publish(tmp_path, name, networks, {"words": words})
    bitmaps = np.stack([raster(made_up(word, 5)) for word in words])
    served = Recogniser.from_folder(tmp_path, name).logits(bitmaps)
    for place, network in enumerate(networks):
        # The file is in half precision.
        np.testing.assert_allclose(served[:, place], recipe.predict(network, bitmaps), atol=2e-3)


def test_the_baseline_is_the_network_of_the_original() -> None:
    baseline = build("baseline", 6)
    assert sum(p.numel() for p in baseline.parameters()) == 300 + 4065 + 376 * 128 + 129 * 50 + 51 * 6
    assert baseline(torch.zeros(2, 1, 28, 28)).shape == (2, 6)


def test_folds_leave_out_a_share_of_every_animal_and_whole_words() -> None:
    drawings = [
        Drawing(word, strokes, identity(strokes))
        for word in (*ANIMALS, *OTHERS)
        for strokes in (made_up(word, i) for i in range(17))
    ]
    animals, words = assign_folds(drawings, 5, seed=0)
    assert sorted(words) == sorted(OTHERS)
    for word in ANIMALS:
        counts = np.bincount([animals[d.identity] for d in drawings if d.word == word], minlength=5)
        assert sorted(counts.tolist()) == [3, 3, 3, 4, 4]
    assert assign_folds(drawings[::-1], 5, seed=0) == (animals, words)


def test_folders_are_read_together_with_what_is_gzipped_in_folders_within(data: Path, tmp_path: Path) -> None:
    within = tmp_path / "other"
    within.mkdir()
    lines = [line_of("ice cream", made_up("ice cream", i)) for i in (3, 4, 5)]
    (within / "ice cream.ndjson.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (tmp_path / "cat.ndjson").write_text(line_of("cat", made_up("cat", 9)))
    drawings = read_drawings(data, tmp_path)
    # One of the three gzipped drawings is in the first folder too.
    assert len(drawings) == len(read_drawings(data)) + 3
    assert [d.word for d in drawings[-3:]] == ["cat", "ice cream", "ice cream"]
    (within / "fish.ndjson.gz").write_bytes(gzip.compress(b"{}")[:-9])
    with pytest.raises(SketchDataError, match=r"fish\.ndjson\.gz"):
        read_drawings(tmp_path)


def test_folders_of_bitmaps_are_read_together(tmp_path: Path) -> None:
    for name, count in (("one", 2), ("two", 3)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "cat.npy", np.full((count, 784), count, np.uint8))
    found = read_bitmaps(tmp_path / "one", tmp_path / "two")
    assert {word: bitmaps[:, 0, 0].tolist() for word, bitmaps in found.items()} == {"cat": [2, 2, 3, 3, 3]}


def test_bad_data_is_named(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SketchDataError, match=r"no \.ndjson files"):
        read_drawings(tmp_path)
    (tmp_path / "cat.ndjson").write_text(line_of("cat", made_up("cat", 1)) + '\n{"drawing": 3}\n')
    with pytest.raises(SketchDataError, match=r"cat\.ndjson, line 2"):
        read_drawings(tmp_path)
    (tmp_path / "cat.ndjson").write_text(line_of("cat", made_up("cat", 1)))
    assert main(["--strokes", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "has no drawings of camel, dog, fish, giraffe, octopus" in capsys.readouterr().err
    np.save(tmp_path / "cat.npy", np.zeros((2, 100), np.uint8))
    with pytest.raises(SketchDataError, match=r"cat\.npy"):
        read_bitmaps(tmp_path)
    assert evaluate(["sketch", str(tmp_path / "nowhere")]) == 1
    blank = tmp_path / "blank"
    blank.mkdir()
    (blank / "cat.ndjson").write_text('\n{"drawing": []}\n{"drawing": [[[3, 3], [4, 4]]]}\n')
    assert evaluate(["sketch", str(blank)]) == 1
    assert capsys.readouterr().err.endswith(f"{blank} has no drawings in its .ndjson files.\n")


@pytest.fixture
def official() -> Iterator[Server]:
    """A server of the official files' layout, with fifty drawings of each word."""
    each = 50

    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        kind, name = unquote(seen.path).strip("/").split("/")
        word = name.rsplit(".", 1)[0]
        if word not in (*ANIMALS, *OTHERS):
            reply(handler, 404, b"NoSuchKey")
        elif kind == "simplified":
            reply(handler, body="".join(line_of(word, made_up(word, i)) + "\n" for i in range(each)).encode())
        else:
            buffer = io.BytesIO()
            np.save(buffer, np.stack([raster(made_up(word, i)) for i in range(each)]).reshape(each, 784))
            reply(handler, body=buffer.getvalue())

    with serving(answer) as server:
        yield server


def test_the_head_of_the_official_files_is_fetched_once(official: Server, tmp_path: Path) -> None:
    source = f"http://127.0.0.1:{official.port}"
    words = [*ANIMALS, "ice cream"]
    for _ in range(2):
        download_strokes(words, tmp_path, 3, source)
        download_bitmaps(ANIMALS, tmp_path, 7, source)
    assert len(official.seen) == 13
    assert "/simplified/ice%20cream.ndjson" in {seen.path for seen in official.seen}
    drawings = read_drawings(tmp_path)
    assert len(drawings) == 21
    np.testing.assert_array_equal(drawings[0].strokes[0], made_up("camel", 0)[0])
    assert {word: len(rows) for word, rows in read_bitmaps(tmp_path).items()} == dict.fromkeys(ANIMALS, 7)


def test_the_command_fetches_and_trains(official: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sketch.training.__main__.WORDS", (*ANIMALS, *OTHERS))
    command = ["--source", f"http://127.0.0.1:{official.port}", "--each", "2", "--each-bitmap", "5"]
    command += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--steps", "1"]
    assert main([*command, "--network", "baseline", *QUICK]) == 0
    assert len(Recogniser.from_folder(tmp_path / "out", "baseline").card["words"]) == 10


HUGE = b'{"drawing": [[[' + b"1," * 600_000


@pytest.mark.parametrize(
    ("body", "length", "problem"),
    [
        (b"<html>sign in</html>\n", None, "is not a drawing"),
        (b'{"drawing": []}\n', None, "no strokes"),
        (b"", None, "has no drawings"),
        (HUGE, None, "more than"),
        (b'{"drawing": [[[1, 2], [3, 4]]]}\n', 5000, "cannot be downloaded"),
    ],
    ids=["a web page", "no strokes", "empty", "no line ends", "breaks off"],
)
def test_a_misbehaving_server_leaves_no_file_of_strokes(
    body: bytes, length: int | None, problem: str, tmp_path: Path
) -> None:
    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        reply(handler, body=body, Content_Length=str(length or len(body)))
        handler.close_connection = True

    with serving(answer) as server, pytest.raises(SketchDataError, match=problem):
        download_strokes(["cat"], tmp_path, 3, f"http://127.0.0.1:{server.port}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "array", [np.zeros((9, 100), np.uint8), np.zeros((9, 784), np.float32), None], ids=["shape", "type", "no npy"]
)
def test_a_misbehaving_server_leaves_no_file_of_bitmaps(array: np.ndarray | None, tmp_path: Path) -> None:
    buffer = io.BytesIO(b"nothing" if array is None else b"")
    if array is not None:
        np.save(buffer, array)
    with (
        serving(lambda _, handler: reply(handler, body=buffer.getvalue())) as server,
        pytest.raises(SketchDataError, match=r"cat\.npy"),
    ):
        download_bitmaps(["cat"], tmp_path, 3, f"http://127.0.0.1:{server.port}")
    assert not list(tmp_path.iterdir())


def test_an_unknown_word_or_host_is_a_clear_error(official: Server, tmp_path: Path) -> None:
    with pytest.raises(SketchDataError, match="answered 404"):
        download_strokes(["unicorn"], tmp_path, 1, f"http://127.0.0.1:{official.port}")
    with pytest.raises(SketchDataError, match="is not a QuickDraw word"):
        download_strokes(["../cat"], tmp_path, 1, f"http://127.0.0.1:{official.port}")
    with pytest.raises(SketchDataError, match="cannot be downloaded"):
        download_strokes(["cat"], tmp_path, 1, "http://127.0.0.1:1")


def test_the_list_of_words_has_the_six_and_the_other_339() -> None:
    assert len(WORDS) == len(set(WORDS)) == 345
    assert set(ANIMALS) < set(WORDS)
