"""Fetching weights from servers that misbehave, and reading files that nobody vouches for."""

import fcntl
import hashlib
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.config.settings import Settings
from app.launch.redis_server import free_port
from app.vision.catalogue import download, preference, transfer
from app.vision.catalogue import fetch as weights
from app.vision.catalogue import models as catalogue
from app.vision.catalogue.checkpoints import CheckpointError, load_weights, sha256_of, verify
from app.vision.catalogue.fetch import main
from app.vision.catalogue.models import Model
from app.worker.models import FETCH
from tests.http_server import Answer, Seen, reply, serving

WEIGHTS = b"\x80\x02" + np.random.default_rng(1).bytes(300_000)
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


def model(port: int = 0, **changes: Any) -> Model:
    values: dict[str, Any] = {
        "name": "small",
        "title": "A small model",
        "analyzer": "objects",
        "loader": "mmdet",
        "licence": "MIT",
        "sources": (f"http://127.0.0.1:{port}/models/small-{DIGEST[:8]}.pth",),
        "file": f"small-{DIGEST[:8]}.pth",
        "sha256": DIGEST[:8],
    }
    return Model(**{**values, **changes})


def fetch(model: Model, folder: Path, **settings: Any) -> Path:
    """`download.fetch` into a folder."""
    return download.fetch(model, Settings(checkpoints_dir=str(folder), **settings), progress=False)


def with_ranges(seen: Seen, handler: BaseHTTPRequestHandler, data: bytes = WEIGHTS) -> None:
    """A well-behaved server."""
    asked = re.fullmatch(r"bytes=(\d+)-", seen.headers.get("range", ""))
    if not asked:
        return reply(handler, 200, data, Accept_Ranges="bytes")
    start = int(asked[1])
    if start >= len(data):
        return reply(handler, 416, b"", Content_Range=f"bytes */{len(data)}")
    span = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return reply(handler, 206, data[start:], Content_Range=span, Accept_Ranges="bytes")


def breaking_off(after: int, **headers: str) -> Answer:
    """A server that promises the whole and closes the connection after some bytes of what is asked for."""

    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        start = int((re.findall(r"bytes=(\d+)-", seen.headers.get("range", "")) or ["0"])[0])
        if start and "Accept_Ranges" in headers:
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(WEIGHTS) - 1}/{len(WEIGHTS)}")
        else:
            start = 0
            handler.send_response(200)
        for name, value in {**headers, "Content_Length": str(len(WEIGHTS) - start)}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(WEIGHTS[start : start + after])
        handler.close_connection = True

    return answer


def fixed(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    return lambda seen, handler: reply(handler, status, body, **headers)


def refused(answer: Answer, folder: Path, **changes: Any) -> str:
    """The message of a fetch that must fail."""
    with serving(answer) as server, pytest.raises(CheckpointError) as caught:
        fetch(model(server.port, **changes), folder)
    message = str(caught.value)
    assert message[-1] in ".?"
    assert "\n" not in message
    return message


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_weights_arrive_whole_and_under_their_name(tmp_path: Path) -> None:
    with serving(with_ranges) as server:
        path = fetch(model(server.port, size=len(WEIGHTS)), tmp_path / "new")
    assert path.read_bytes() == WEIGHTS
    assert names(path.parent) == [f"small-{DIGEST[:8]}.pth"]


def test_weights_that_are_there_are_not_fetched_again(tmp_path: Path) -> None:
    with serving(with_ranges) as server:
        for _ in range(2):
            fetch(model(server.port), tmp_path)
        assert len(server.seen) == 1


def test_a_changed_file_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / model().file).write_bytes(b"changed")
    with serving(with_ranges) as server:
        assert fetch(model(server.port), tmp_path).read_bytes() == WEIGHTS


def test_a_redirect_is_followed(tmp_path: Path) -> None:
    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        if seen.path.startswith("/models"):
            reply(handler, 302, b"", Location="/elsewhere")
        else:
            with_ranges(seen, handler)

    with serving(answer) as server:
        assert fetch(model(server.port), tmp_path).read_bytes() == WEIGHTS


def test_a_partial_download_is_resumed(tmp_path: Path) -> None:
    (tmp_path / f"{model().file}.part").write_bytes(WEIGHTS[:100_000])
    with serving(with_ranges) as server:
        path = fetch(model(server.port), tmp_path)
        assert [seen.headers["range"] for seen in server.seen] == ["bytes=100000-"]
    assert path.read_bytes() == WEIGHTS
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("part", [b"of another file" * 1000, WEIGHTS + b"longer", WEIGHTS[:-1] + b"\x00"])
def test_a_part_of_another_file_is_replaced(tmp_path: Path, part: bytes) -> None:
    (tmp_path / f"{model().file}.part").write_bytes(part)
    with serving(with_ranges) as server:
        path = fetch(model(server.port), tmp_path)
    assert path.read_bytes() == WEIGHTS
    assert names(tmp_path) == [path.name]


def test_a_server_without_ranges_sends_the_whole_again(tmp_path: Path) -> None:
    (tmp_path / f"{model().file}.part").write_bytes(WEIGHTS[:1000])
    with serving(fixed(200, WEIGHTS)) as server:
        assert fetch(model(server.port), tmp_path).read_bytes() == WEIGHTS


def test_a_transfer_that_breaks_off_is_taken_up_by_itself(tmp_path: Path) -> None:
    with serving(breaking_off(120_000, Accept_Ranges="bytes")) as server:
        path = fetch(model(server.port), tmp_path)
        assert [seen.headers.get("range") for seen in server.seen] == [None, "bytes=120000-", "bytes=240000-"]
    assert path.read_bytes() == WEIGHTS


def test_a_server_without_ranges_is_not_asked_to_go_on_by_itself(tmp_path: Path) -> None:
    assert "127.0.0.1 broke off after 0.1 of 0.3 MB; " in refused(breaking_off(100_000), tmp_path)
    with serving(fixed(200, WEIGHTS)) as server:
        assert fetch(model(server.port), tmp_path).read_bytes() == WEIGHTS


def test_a_truncated_answer_leaves_its_part_where_the_next_fetch_can_go_on(tmp_path: Path) -> None:
    message = refused(breaking_off(50_000, Accept_Ranges="bytes"), tmp_path)
    assert "; run `make weights MODEL=small` to go on, set WEIGHTS_MIRROR to where a copy is, or put small-" in message
    part = tmp_path / f"{model().file}.part"
    assert names(tmp_path) == [part.name]
    assert part.read_bytes() == WEIGHTS[:200_000]
    with serving(with_ranges) as server:
        assert fetch(model(server.port), tmp_path).read_bytes() == WEIGHTS
        assert server.seen[0].headers["range"] == "bytes=200000-"


def test_without_a_known_hash_no_part_is_kept(tmp_path: Path) -> None:
    refused(breaking_off(50_000, Accept_Ranges="bytes"), tmp_path, sha256="")
    assert names(tmp_path) == []


def test_a_changed_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    changed = WEIGHTS[:5000] + b"?" + WEIGHTS[5001:]
    message = refused(fixed(200, changed), tmp_path)
    assert message.startswith("A small model cannot be fetched: what 127.0.0.1 sent has SHA-256 ")
    assert names(tmp_path) == []


def test_a_file_of_another_size_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    assert "300002 bytes" in refused(with_ranges, tmp_path, size=1000)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "answer",
    [
        fixed(200, b"<html>Please log in</html>", Content_Type="text/html; charset=utf-8"),
        fixed(200, b"\n <!doctype html><title>Blocked</title>", Content_Type="application/octet-stream"),
        fixed(200, b'{"error": "quota"}'),
    ],
)
def test_a_web_page_is_not_taken_for_weights(tmp_path: Path, answer: Answer) -> None:
    assert re.search("web page|with text", refused(answer, tmp_path))
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_error_status_is_named(tmp_path: Path, status: int) -> None:
    assert f"answered {status}" in refused(fixed(status, b"no"), tmp_path)
    assert names(tmp_path) == []


def test_another_part_than_asked_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"{model().file}.part").write_bytes(WEIGHTS[:1000])
    span = f"bytes 500-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"
    assert "another part" in refused(fixed(206, WEIGHTS[500:], Content_Range=span), tmp_path)
    assert not (tmp_path / model().file).exists()


def test_an_answer_that_is_not_http_is_a_clear_error(tmp_path: Path) -> None:
    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-something\r\n")
        handler.close_connection = True

    assert "no proper answer" in refused(answer, tmp_path)
    assert names(tmp_path) == []


def test_a_server_that_falls_silent_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "READ_TIMEOUT", 0.2)
    left = threading.Event()

    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(WEIGHTS)))
        handler.end_headers()
        handler.wfile.write(WEIGHTS[:1000])
        handler.wfile.flush()
        left.wait(30)

    try:
        assert "broke off after 0.0 of 0.3 MB" in refused(answer, tmp_path)
    finally:
        left.set()
    assert (tmp_path / f"{model().file}.part").read_bytes() == WEIGHTS[:1000]


def test_no_server_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be reached"):
        fetch(model(free_port()), tmp_path)
    assert names(tmp_path) == []


def test_a_host_that_is_not_found_is_a_clear_error_and_keeps_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    part = tmp_path / f"{model().file}.part"
    part.write_bytes(WEIGHTS[:1000])
    with pytest.raises(CheckpointError, match=r"weights\.invalid cannot be found"):
        fetch(model(sources=("http://weights.invalid/small.pth",)), tmp_path)
    assert part.read_bytes() == WEIGHTS[:1000]


def test_a_resolver_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = threading.Event()
    monkeypatch.setattr(transfer, "CONNECT_TIMEOUT", 0.05)
    monkeypatch.setattr(transfer.socket, "getaddrinfo", lambda *_: hanging.wait(30))
    with pytest.raises(CheckpointError, match="cannot be found"):
        fetch(model(1), tmp_path)
    hanging.set()


@contextmanager
def refusing_proxy() -> Iterator[tuple[int, list[str]]]:
    """A proxy that writes down the first line of each request and refuses it."""
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection, connection.makefile("rb") as stream:
                        lines.append(stream.readline().decode())
                        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1], lines
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_https_goes_through_the_proxy_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing_proxy() as (port, lines):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("https_proxy", raising=False)
        with pytest.raises(CheckpointError, match="cannot be reached"):
            fetch(model(sources=("https://weights.invalid/small.pth",)), tmp_path)
    assert lines == ["CONNECT weights.invalid:443 HTTP/1.1\r\n"]


def test_two_fetches_of_one_file_do_not_mix(tmp_path: Path) -> None:
    with (tmp_path / f"{model().file}.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CheckpointError, match="by another process"):
            fetch(model(1), tmp_path)
    assert (tmp_path / f"{model().file}.part").exists()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        fetch(model(1), tmp_path / "file" / "folder")


def test_a_full_disk_is_known_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = transfer.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: usage)
    assert "are needed on the disk" in refused(with_ranges, tmp_path)
    assert names(tmp_path) == []


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """The command with a catalogue whose only detector comes from a server that behaves well."""
    with serving(with_ranges) as server:
        monkeypatch.setattr(preference, "load_catalogue", lambda: {"small": model(server.port, rank=2)})
        monkeypatch.setattr(
            weights.Settings, "from_env", classmethod(lambda cls: Settings(checkpoints_dir=str(tmp_path)))
        )
        yield lambda *arguments: main(arguments)


def test_the_command_fetches_the_best_detector_with_a_progress_bar(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command() == 0
    output = capsys.readouterr()
    assert (tmp_path / model().file).read_bytes() == WEIGHTS
    assert "A small model is installed" in output.out
    assert "100%" in output.err


def test_the_command_says_in_one_line_what_it_does_not_know(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("mask_rcnn_r50_fpn_2x_coc") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "mask_rcnn_r50_fpn_2x_coco" in error


def save(path: Path, content: Any, **options: Any) -> Model:
    """Write a checkpoint; the model whose catalogue entry it fits."""
    torch.save(content, path, **options)
    return model(file=path.name, sha256=sha256_of(path)[:8])


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_of_openmmlab_is_read_with_its_meta_data(tmp_path: Path, zipped: bool) -> None:
    meta = {"CLASSES": ("cat", "dog"), "epoch": 12, "mAP": np.float64(0.408), "seed": np.int64(3), "hook_msgs": {}}
    state = torch.nn.Linear(2, 3).state_dict()
    path = tmp_path / "model.pth"
    entry = save(path, {"meta": meta, "state_dict": state}, _use_new_zipfile_serialization=zipped)
    read = load_weights(path, entry)
    assert read.classes == ("cat", "dog")
    assert read.meta["mAP"] == 0.408
    assert torch.equal(read.tensors()["weight"], state["weight"])


def test_a_bare_state_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    assert set(load_weights(path, save(path, {"weight": torch.ones(2)})).state) == {"weight"}


class Malicious:
    """Asks whoever unpickles it to make a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_a_malicious_pickle_never_runs_whether_its_hash_is_known_or_not(
    tmp_path: Path, zipped: bool, known: bool
) -> None:
    path, trap = tmp_path / "model.pth", tmp_path / "trap"
    content = {"meta": {"env": Malicious(trap)}, "state_dict": {"weight": torch.ones(2)}}
    entry = save(path, content, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match="asks for posix.mkdir" if known else "has SHA-256"):
        load_weights(path, entry if known else model(file=path.name))
    assert not trap.exists()
    if not zipped:
        return
    # The same file does run where it is unpickled freely: the trap is a real one.
    torch.load(path, weights_only=False)
    assert trap.exists()


@pytest.mark.parametrize(
    "content", [b"", b"<html></html>", b"PK\x03\x04 cut", pickle.dumps({"a": 1}), b"\x80\x02" + bytes(50)]
)
def test_a_file_that_is_not_a_checkpoint_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.pth"):
        load_weights(path, model(sha256=""))


def test_a_truncated_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    save(path, {"weight": torch.ones(1000)})
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="broken"):
        load_weights(path, model(sha256=""))


def test_a_checkpoint_without_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    with pytest.raises(CheckpointError, match="no weights"):
        load_weights(path, save(path, {"state_dict": {}, "meta": {}}))


def test_verify_answers_the_whole_hash_and_sees_a_change(tmp_path: Path) -> None:
    path = tmp_path / "small.pth"
    path.write_bytes(WEIGHTS)
    assert verify(path, model(size=len(WEIGHTS))) == DIGEST
    path.write_bytes(WEIGHTS[:-1] + b"!")
    with pytest.raises(CheckpointError, match="has SHA-256"):
        verify(path, model())
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        verify(path, model())


def test_fetching_needs_neither_torch_nor_mmdet(tmp_path: Path) -> None:
    code = "import sys, app.vision.catalogue.fetch; sys.exit(bool({'torch', 'mmcv', 'mmdet'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=catalogue.ROOT).returncode == 0


def test_the_command_of_the_start_and_of_make_weights_answers_a_bad_name() -> None:
    assert f"-m {FETCH} " in (catalogue.ROOT / "Makefile").read_text()
    done = subprocess.run([sys.executable, "-m", FETCH, "mask"], cwd=catalogue.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("There is no model 'mask'; ")


def test_a_model_without_an_address_is_installed_or_nowhere_to_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = tmp_path / "trained"
    trained.mkdir()
    (trained / "detector.py").touch()
    (trained / "detector.pth").write_bytes(WEIGHTS)
    (trained / "models.toml").write_text(
        '[[model]]\nname = "detector"\ntitle = "Mine"\nanalyzer = "objects"\nloader = "mmdet"\nlicence = "none"\n'
        'config = "detector.py"\nfile = "detector.pth"\nlabels = "coco"\n'
    )
    monkeypatch.setenv("MODEL", f"{trained}/")
    assert main([]) == 0
    assert capsys.readouterr() == (f"Mine is installed: {trained / 'detector.pth'}\n", "")
    (trained / "detector.pth").unlink()
    assert main([]) == 1
    assert capsys.readouterr() == ("", "Mine is not here, and there is no address to fetch it from.\n")
