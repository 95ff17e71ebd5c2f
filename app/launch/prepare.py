"""What is done before anything serves: a folder to write to, weights, engines. None of it stops the start."""

import fcntl
import importlib.util
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from app.config.settings import ROOT, Settings
from app.launch import LaunchError
from app.launch.processes import TICK
from app.system.process import die_with_parent

BUNDLED = ROOT / "checkpoints"
# Commands that bring the weights and ready them for OpenVINO. Each says what it does and, in a line, what it cannot.
STEPS = ("app.vision.catalogue.fetch", "app.vision.engine")


def writable_folder(settings: Settings) -> Path:
    """DATA_DIR, made where it is missing. Raises LaunchError where it cannot be written to."""
    folder = settings.data_path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise LaunchError(
            f"DATA_DIR {folder} cannot be written to ({error.strerror}); choose another: DATA_DIR=~/detector."
        ) from error
    return folder


def only_one(folder: Path) -> IO[str]:
    """Hold a folder against a second launcher, whose Redis would write over ours, for as long as the file is open.

    Raises LaunchError where another one holds it.
    """
    lock = (folder / "launch.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LaunchError(f"Another one already runs on {folder}; stop it, or choose another DATA_DIR.") from error
    return lock


def link_bundled(folder: Path, bundled: Path = BUNDLED) -> None:
    """Make the models that come with the program known in another checkpoints folder.

    By links, so that a new version of the program brings its own.
    """
    if folder.resolve() == bundled.resolve():
        return
    for source in [*bundled.glob("*.pth"), *bundled.glob("engines/*")]:
        link = folder / source.relative_to(bundled)
        with suppress(OSError):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)


def prepare(settings: Settings, stop: threading.Event) -> None:
    """Fetch and ready the models, showing how it goes, until done or told to stop. What fails says so itself.

    Without torch, as in the small image, no weights could be used: the engines that are there are all.
    """
    link_bundled(settings.checkpoints_path)
    if importlib.util.find_spec("torch") is None:
        return
    with _turn(settings.checkpoints_path, stop):
        for module in STEPS:
            if not stop.is_set():
                _say_if_killed(module, run([sys.executable, "-m", module], stop))


def _say_if_killed(module: str, status: int | None) -> None:
    """A step that ended by itself has said what it could not; one that was killed could not even say that."""
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        print(f"`python -m {module}` was ended by {name}, perhaps for lack of memory; going on without it.", flush=True)


@contextmanager
def _turn(folder: Path, stop: threading.Event) -> Iterator[None]:
    """Wait for whoever readies the same folder, so that every worker of a host finds the same models."""
    try:
        lock = (folder / ".preparing").open("a")
    except OSError:  # Nothing can be put there, by nobody.
        yield
        return
    with lock:
        while not stop.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                stop.wait(TICK)
        yield


def run(command: list[str], stop: threading.Event) -> int | None:
    """Run a command to its end, or until told to stop; its exit status, None when it was stopped."""
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, preexec_fn=lambda: die_with_parent(signal.SIGKILL)
    )
    while process.poll() is None:
        if stop.wait(TICK):
            process.kill()
            process.wait()
            return None
    return process.returncode
