"""The launcher's parts: sockets, folders, its own Redis, what it says."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.config.settings import Settings
from app.launch import LaunchError, data_folder, redis_server
from app.launch.launcher import listen
from app.launch.processes import Supervised
from app.launch.ready import introduction, local_address
from app.launch.redis_server import free_port

PYTHON = sys.executable


def test_a_taken_port_is_one_line_with_the_next_step() -> None:
    with listen("127.0.0.1", free_port()) as first:
        port = first.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"^Port {port} is taken; choose another: PORT={port + 1} make up\.$"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "reached", "unreached"),
    [("::", ["127.0.0.1", "::1"], []), ("::1", ["::1"], ["127.0.0.1"]), ("127.0.0.1", ["127.0.0.1"], ["::1"])],
)
def test_it_is_listened_on_ipv6_and_on_all_addresses(host: str, reached: list[str], unreached: list[str]) -> None:
    with listen(host, free_port()) as listener:
        port = listener.getsockname()[1]
        for address in reached:
            socket.create_connection((address, port), timeout=10).close()
        for address in unreached:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), timeout=10)


def test_an_address_of_another_machine_is_one_line() -> None:
    with pytest.raises(LaunchError, match=r"Cannot listen on no such host:\d+ \(Name .*\); try HOST=127\.0\.0\.1 or"):
        listen("no such host", free_port())


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:5000"),
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("::", "http://[::1]:5000"),
        ("box.lan", "http://box.lan:5000"),
    ],
)
def test_the_address_that_is_printed_works_on_this_machine(host: str, address: str) -> None:
    assert local_address(Settings(host=host)) == address


def test_what_is_printed_says_which_models_stand_in_and_what_is_missing() -> None:
    state = {
        "analyses": {"objects": {"title": "Starter", "note": "A stand-in."}, "faces": {"title": "MTCNN", "note": ""}},
        "missing": {"labels": "Run `make weights`."},
    }
    lines = [line.strip() for line in introduction(Settings(), state, 3.4) if line]
    assert lines == [
        "Flask Detector is ready: http://127.0.0.1:5000  (after 3 s)",
        "faces: MTCNN",
        "objects: Starter",
        "A stand-in.",
        "labels: not available. Run `make weights`.",
        "Ctrl-C ends it.",
    ]


def test_large_uploads_are_kept_in_the_data_folder_unless_tmpdir_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    data_folder.use_for_uploads(tmp_path)
    assert os.environ["TMPDIR"] == "/elsewhere"
    monkeypatch.delenv("TMPDIR")
    (tmp_path / "tmp" / "photo-left").touch()
    data_folder.use_for_uploads(tmp_path)
    assert os.environ["TMPDIR"] == str(tmp_path / "tmp")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_second_launcher_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    lock = data_folder.lock_folder(tmp_path)
    with pytest.raises(LaunchError, match="already uses"):
        data_folder.lock_folder(tmp_path)
    lock.close()
    data_folder.lock_folder(tmp_path).close()


def test_a_data_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LaunchError, match=r"cannot be written to .* choose another"):
        data_folder.writable_folder(Settings(data_dir=str(tmp_path / "file" / "data")))


def test_the_data_folder_is_closed_to_others_unless_it_is_shared_on_purpose(tmp_path: Path) -> None:
    old, shared = tmp_path / "old", tmp_path / "shared"
    old.mkdir()
    shared.mkdir()
    old.chmod(0o755)
    shared.chmod(0o1777)
    folders = [
        data_folder.writable_folder(Settings(data_dir=str(tmp_path / name))) for name in ("new", "old", "shared")
    ]
    assert [folder.stat().st_mode & 0o7777 for folder in folders] == [0o700, 0o700, 0o1777]


def fake_server(path: Path, version: str) -> str:
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return str(path)


def test_servers_that_cannot_read_each_others_files_have_folders_of_their_own(tmp_path: Path) -> None:
    redis = fake_server(tmp_path / "a", "Redis server v=7.0.15 sha=0 malloc=libc")
    valkey = fake_server(tmp_path / "b", "Valkey server v=9.1.2 sha=0 malloc=libc")
    redis_server.embedded_redis(tmp_path / "data", redis)
    redis_server.embedded_redis(tmp_path / "data", valkey)
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"redis-7", "valkey-9"}


def test_a_server_that_does_not_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="does not run; install redis-server, or set REDIS_URL"):
        redis_server.embedded_redis(tmp_path, fake_server(tmp_path / "a", "nonsense"))


def test_the_server_inside_the_package_is_used_where_none_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    binary = redis_server.server_binary()
    assert os.access(binary, os.X_OK)
    assert Path(binary).name == "valkey-server"


def test_a_child_that_keeps_dying_starts_again_later_and_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = 1000.0
    monkeypatch.setattr("app.launch.processes.time.monotonic", lambda: now)
    started = tmp_path / "started"
    child = Supervised("The child", ["sh", "-c", f"echo x >>{started}"], grace=1)
    waits = []
    child.watch()
    for _ in range(7):
        assert child._process is not None
        child._process.wait()
        child.watch()
        died = now
        while child.pid is None:
            now += 1
            child.watch()
        waits.append(now - died)
    assert waits == [2, 4, 8, 16, 30, 30, 30]
    child.stop()


def test_a_child_that_does_not_end_by_itself_is_killed_with_its_own_children(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"os.fork() or os.write({writer}, b'up'); time.sleep(1000)"
    )
    child = Supervised("The child", [PYTHON, "-c", code], grace=0.2, fds=[writer])
    child.start()
    os.close(writer)
    assert os.read(reader, 2) == b"up"
    child.stop()
    # The end of the pipe: nobody holds it any more.
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert child.status == -signal.SIGKILL


def test_an_orphan_is_adopted_and_leaves_no_zombie(tmp_path: Path) -> None:
    """In a process of its own: adopting is for good."""
    code = """
import os, signal, subprocess, sys
from app.launch.processes import adopt_orphans, reap_orphans, end_orphans
adopt_orphans()
ours = subprocess.Popen(["true"])
os.waitid(os.P_PID, ours.pid, os.WEXITED | os.WNOWAIT)
reader, writer = os.pipe()
between = os.fork()
if between == 0:
    if os.fork() == 0:
        os.write(writer, str(os.getpid()).encode())
        signal.pause()
    os._exit(0)
orphan = int(os.read(reader, 20))
os.waitpid(between, 0)  # Only now is the orphan ours.
os.kill(orphan, signal.SIGKILL)
os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)
reap_orphans([ours.pid])
assert ours.wait() == 0
if os.fork() == 0:
    signal.pause()
end_orphans()
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("nobody is left")
"""
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "nobody is left\n", done.stderr


def test_a_child_reads_what_it_is_fed_and_writes_to_its_file(tmp_path: Path) -> None:
    child = Supervised("The child", ["cat"], grace=5, feed="fed", output=tmp_path / "out")
    child.start()
    assert child._process is not None
    assert child._process.wait(5) == 0
    assert (tmp_path / "out").read_text() == "fed"


def test_a_listening_socket_is_handed_down_to_a_child() -> None:
    with listen("127.0.0.1", free_port()) as listener:
        code = f"import socket; socket.socket(fileno={listener.fileno()}).accept()[0].send(b'child')"
        child = Supervised("The child", [PYTHON, "-c", code], grace=5, fds=[listener.fileno()])
        child.start()
        with socket.create_connection(listener.getsockname(), timeout=20) as visitor:
            assert visitor.recv(5) == b"child"
        child.stop()
