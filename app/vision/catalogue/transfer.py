"""Transfers from one source: by HTTP, resumed where they broke off, or from a folder.

Of the known downloaders only those that know one hub resume; pooch, the best kept of the general ones, does not.
"""

import os
import re
import shutil
import socket
import ssl
import sys
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx
from tqdm import tqdm

from app.config.settings import Settings
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import Model
from app.vision.catalogue.sources import SourceError, address, local_path, place

# Seconds: to find and connect to a host, and to wait for the next bytes. A machine without network goes on soon.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
# How often an interrupted transfer is resumed automatically.
RESUMPTIONS = 3


class _BrokenOff(SourceError):
    """A transfer that ended early; resumable says whether the server can go on from there."""

    def __init__(self, source: str, received: int, total: int | None, resumable: bool):
        whole = f" of {total / 1e6:.1f}" if total else ""
        super().__init__(f"{place(source)} broke off after {received / 1e6:.1f}{whole} MB")
        self.received, self.resumable = received, resumable


def transfer(source: str, model: Model, file: BinaryIO, settings: Settings, progress: bool) -> None:
    """Append the missing rest of a model's weights to a file; without a known hash, start over.

    An interrupted transfer is resumed. Raises SourceError, and CheckpointError where the disk is too small.
    """
    if not model.sha256:
        file.truncate(0)  # Nothing could tell whether the pieces belong together.
    path = local_path(source)
    if path is not None:
        return _copy(path, model, file, progress)
    url = address(source, settings)
    _resolve(url)
    with _client() as client:
        for left in reversed(range(RESUMPTIONS + 1)):
            before = size_of(file)
            try:
                return _receive_rest(client, url, source, model, file, progress)
            except _BrokenOff as broken:
                if not (left and model.sha256 and broken.resumable and broken.received > before):
                    raise


def probe(source: str, model: Model, settings: Settings) -> None:
    """Ask whether a source has a model's file now, without fetching it. Raises SourceError where it has not."""
    path = local_path(source)
    if path is not None:
        return _check_size(source, model, _size_in_folder(path))
    url = address(source, settings, "HEAD")
    _resolve(url)
    with _client() as client:
        try:
            response = client.head(url, headers={"Accept-Encoding": "identity"}, timeout=CONNECT_TIMEOUT)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(source, error) from error
    _check_head(response, source, model)
    _check_size(source, model, _length(response))


def _client() -> httpx.Client:
    return httpx.Client(timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT), follow_redirects=True)


def _copy(path: Path, model: Model, file: BinaryIO, progress: bool) -> None:
    total = _size_in_folder(path)
    file.truncate(0)
    _check_disk_space(file, total, 0)
    with path.open("rb") as original, _bar(model, total, 0, progress) as bar:
        while chunk := original.read(2**20):
            file.write(chunk)
            bar.update(len(chunk))
    file.flush()


def _size_in_folder(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return size_of(file)
    except OSError as error:
        raise SourceError(f"{path.parent} gives no {path.name} ({error.strerror})") from error


def _receive_rest(client: httpx.Client, url: str, source: str, model: Model, file: BinaryIO, progress: bool) -> None:
    offset = size_of(file)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        with client.stream("GET", url, headers=headers) as response:
            if response.status_code != 416 or not offset:
                offset, total = _begin(response, source, model, offset)
                file.truncate(offset)
                _check_disk_space(file, total, offset)
                with _bar(model, total, offset, progress) as bar:
                    return _receive(response, source, file, bar, total)
        # The server's file is no longer than ours, so ours is another file.
        file.truncate(0)
        _receive_rest(client, url, source, model, file, progress)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _unreachable(source, error) from error


def _unreachable(source: str, error: Exception) -> SourceError:
    """What went wrong with a request, and whose fault it seems."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return SourceError(f"{place(source)} has a certificate that cannot be trusted ({cause.verify_message})")
        cause = cause.__cause__ or cause.__context__
    refused = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
    what = "cannot be reached" if isinstance(error, refused) else "gave no proper answer"
    return SourceError(f"{place(source)} {what} ({error})")


def _begin(response: httpx.Response, source: str, model: Model, offset: int) -> tuple[int, int | None]:
    """Judge an answer by its head: where its body belongs, and how long the whole file is, if it says so."""
    _check_head(response, source, model)
    total = _length(response)
    if response.status_code == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if not span or int(span[1]) != offset:
            raise SourceError(f"{place(source)} sent another part of {model.file} than was asked for")
        total = int(span[2]) if span[2] != "*" else None
    else:
        offset = 0
    _check_size(source, model, total)
    return offset, total


def _check_head(response: httpx.Response, source: str, model: Model) -> None:
    if response.status_code not in (200, 206):
        status = f"{response.status_code} {response.reason_phrase}".strip()
        raise SourceError(f"{place(source)} answered {status} for {model.file}")
    if "html" in response.headers.get("Content-Type", ""):
        raise SourceError(
            f"{place(source)} answered with a web page, perhaps of a proxy or a login, and not with {model.file}"
        )


def _check_size(source: str, model: Model, total: int | None) -> None:
    if model.size is not None and total is not None and total != model.size:
        raise SourceError(
            f"{place(source)} offers {total} bytes for {model.file} where the catalogue says {model.size}"
        )


def _length(response: httpx.Response) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


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


def _receive(response: httpx.Response, source: str, file: BinaryIO, bar: tqdm, total: int | None) -> None:
    """Write an answer's body to the end of the file. Raises _BrokenOff when it ends before the whole is there."""
    resumable = response.status_code == 206 or response.headers.get("Accept-Ranges", "").strip() == "bytes"
    try:
        for chunk in response.iter_raw():
            if size_of(file) == 0 and chunk.lstrip()[:1] in (b"<", b"{"):
                raise SourceError(f"{place(source)} answered with text and not with a file of weights")
            file.write(chunk)
            file.flush()
            bar.update(len(chunk))
    except (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError) as error:
        raise _BrokenOff(source, size_of(file), total, resumable) from error
    if total is not None and size_of(file) != total:
        raise _BrokenOff(source, size_of(file), total, resumable)
    os.fsync(file.fileno())


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def _check_disk_space(file: BinaryIO, total: int | None, offset: int) -> None:
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
        raise SourceError(f"{parts.hostname} cannot be found")
