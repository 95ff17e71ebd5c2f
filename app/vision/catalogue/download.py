"""Fetching weights: resumed where it broke off, checked, and put in place only when whole."""

import fcntl
import os
import re
import shutil
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx
from tqdm import tqdm

from app.vision.catalogue.checkpoints import CheckpointError, verify
from app.vision.catalogue.models import Model

# Seconds: to find and connect to a host, and to wait for the next bytes. A machine without network goes on soon.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
# Times that a transfer which breaks off on its way is taken up again by itself.
RESUMPTIONS = 3


class _BrokenOff(Exception):
    """A transfer that ended early; resumable says whether the server can go on from there."""

    def __init__(self, received: int, total: int | None, resumable: bool):
        self.received, self.total, self.resumable = received, total, resumable


def fetch(model: Model, folder: Path, progress: bool = True) -> Path:
    """Bring a model's weights into a folder, unless they are there already and right.

    What arrives is written to `<file>.part`, which another call goes on with, and becomes `<file>` when its size and
    hash are the catalogue's. HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE are honoured.

    Args:
        progress: show a progress bar on stderr.

    Raises:
        CheckpointError: one sentence saying what went wrong. Nothing wrong is left behind.
    """
    if not model.url:
        raise CheckpointError(f"{model.title} is not here, and there is no address to fetch it from.")
    target = folder / model.file
    if _right(target, model):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _part(target) as (part, file):
            if _right(target, model):  # Another process was faster.
                part.unlink()
                return target
            _fetch_into(model, part, file, progress)
            os.replace(part, target)
    except OSError as error:
        raise CheckpointError(f"{model.file} cannot be written to {folder}: {error.strerror or error}.") from error
    return target


def _right(path: Path, model: Model) -> bool:
    try:
        verify(path, model)
    except CheckpointError:
        return False
    return True


@contextmanager
def _part(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """The file that a transfer goes to, locked against other processes."""
    part = target.with_name(target.name + ".part")
    while True:
        with part.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckpointError(f"{target.name} is being fetched by another process already.") from error
            # The other process may have moved it into place between opening and locking.
            if part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat()):
                yield part, file
                return


def _fetch_into(model: Model, part: Path, file: BinaryIO, progress: bool) -> None:
    """Fill the part file with the whole, verified weights; remove it where no later call could go on from it."""
    had, keep = _size(file), bool(model.sha256)
    try:
        _transfer_all(model, file, progress)
        keep = False
        if had and not _right(part, model):
            # What was there from another time was of another file: from the start, once.
            file.truncate(0)
            _transfer_all(model, file, progress)
        _verify_answer(part, model)
        keep = True
    except _BrokenOff as broken:
        keep = keep and broken.resumable
        total = f" of {broken.total / 1e6:.1f}" if broken.total else ""
        raise CheckpointError(
            f"{model.file} broke off after {broken.received / 1e6:.1f}{total} MB; "
            f"run `make weights MODEL={model.name}` to {'go on' if keep else 'try again'}."
        ) from broken
    finally:
        if not keep or _size(file) == 0:
            part.unlink(missing_ok=True)


def _verify_answer(part: Path, model: Model) -> None:
    try:
        verify(part, model)
    except CheckpointError as error:
        problem = str(error).removeprefix(part.name).split(";")[0]
        raise CheckpointError(f"What {urlsplit(model.url).hostname} sent{problem}; it was not kept.") from error


def _transfer_all(model: Model, file: BinaryIO, progress: bool) -> None:
    """Transfer what is missing, taking up a transfer that breaks off. Raises _BrokenOff when that is of no use."""
    if not model.sha256:
        file.truncate(0)  # Without a hash nothing could tell whether the pieces belong together.
    _resolve(model.url)
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    with httpx.Client(timeout=timeout, follow_redirects=True) as client:
        for left in reversed(range(RESUMPTIONS + 1)):
            before = _size(file)
            try:
                return _transfer(client, model, file, progress)
            except _BrokenOff as broken:
                if not (left and model.sha256 and broken.resumable and broken.received > before):
                    raise


def _transfer(client: httpx.Client, model: Model, file: BinaryIO, progress: bool) -> None:
    offset = _size(file)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    host = urlsplit(model.url).hostname
    try:
        with client.stream("GET", model.url, headers=headers) as response:
            if response.status_code != 416 or not offset:
                offset, total = _begin(response, model, offset)
                file.truncate(offset)
                _room(file, total, offset)
                with _bar(model, total, offset, progress) as bar:
                    return _receive(response, file, bar, total)
        # There is nothing beyond what is here already, so this was of a longer file.
        file.truncate(0)
        _transfer(client, model, file, progress)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
        raise CheckpointError(f"{host} cannot be reached ({error}); is there a network, or a proxy to set?") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise CheckpointError(f"{host} gave no proper answer ({error}).") from error


def _begin(response: httpx.Response, model: Model, offset: int) -> tuple[int, int | None]:
    """Judge an answer by its head: where its body belongs, and how long the whole file is, if it says so."""
    host = response.url.host
    if response.status_code not in (200, 206):
        raise CheckpointError(f"{host} answered {response.status_code} {response.reason_phrase} for {model.file}.")
    if "html" in response.headers.get("Content-Type", ""):
        raise CheckpointError(
            f"{host} answered with a web page and not with {model.file}; is a proxy or login between?"
        )
    if response.status_code == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not span or int(span[1]) != offset:
            raise CheckpointError(f"{host} sent another part of {model.file} than was asked for.")
        total = int(span[2]) if span[2] != "*" else None
    else:
        offset = 0
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
    if model.size is not None and total is not None and total != model.size:
        raise CheckpointError(f"{host} offers {total} bytes for {model.file} where the catalogue says {model.size}.")
    return offset, total


def _bar(model: Model, total: int | None, offset: int, progress: bool) -> tqdm:
    return tqdm(
        desc=model.title,
        total=total or model.size,
        initial=offset,
        unit="B",
        unit_scale=True,
        disable=not progress,
        mininterval=0.2 if sys.stderr.isatty() else 5,
    )


def _receive(response: httpx.Response, file: BinaryIO, bar: tqdm, total: int | None) -> None:
    """Write an answer's body to the end of the file. Raises _BrokenOff when it ends before the whole is there."""
    resumable = response.status_code == 206 or response.headers.get("Accept-Ranges", "").strip() == "bytes"
    try:
        for chunk in response.iter_raw():
            if _size(file) == 0 and chunk.lstrip()[:1] in (b"<", b"{"):
                raise CheckpointError(f"{response.url.host} answered with text and not with a file of weights.")
            file.write(chunk)
            file.flush()
            bar.update(len(chunk))
    except (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError) as error:
        raise _BrokenOff(_size(file), total, resumable) from error
    if total is not None and _size(file) != total:
        raise _BrokenOff(_size(file), total, resumable)
    os.fsync(file.fileno())


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _room(file: BinaryIO, total: int | None, offset: int) -> None:
    free = shutil.disk_usage(f"/proc/self/fd/{file.fileno()}").free if total else 0
    if total and total - offset > free:
        raise CheckpointError(f"{(total - offset) / 1e6:.0f} MB are needed on the disk, {free / 1e6:.0f} MB are free.")


def _resolve(url: str) -> None:
    """Look the host up, or the proxy's, for no longer than CONNECT_TIMEOUT: the system's resolver has no such limit."""
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    answers: list[object] = []

    def look_up() -> None:
        with suppress(OSError, UnicodeError):
            answers.append(socket.getaddrinfo(parts.hostname, None))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(CONNECT_TIMEOUT)
    if not answers:
        raise CheckpointError(f"{parts.hostname} cannot be found; is there a network, or a proxy to set?")
