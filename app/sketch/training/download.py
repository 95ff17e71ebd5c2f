"""Downloads the beginnings of QuickDraw's official files. They are in random order, so a beginning is a sample.

A file has up to 200 MB, of which a few hundred drawings are enough; a transfer stops as soon as they have arrived.
"""

import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
from tqdm import tqdm

from app.sketch.training.data import SketchDataError

OFFICIAL = "https://storage.googleapis.com/quickdraw_dataset/full"
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0
MAX_LINE = 1_000_000  # bytes of one drawing
# A word is part of a file name.
_NAME = re.compile(r"[A-Za-z][A-Za-z' -]*")


def download_strokes(words: Iterable[str], folder: Path, each: int, source: str = OFFICIAL) -> None:
    """Download the first `each` simplified drawings of each word to `<folder>/<word>.ndjson`.

    Existing files are kept. A file appears only when it is complete.

    Raises:
        SketchDataError: the host cannot be reached, or does not send a file of drawings.
    """
    _download(words, folder, ".ndjson", lambda client, word: _lines(client, f"{source}/simplified", word, each))


def download_bitmaps(words: Iterable[str], folder: Path, each: int, source: str = OFFICIAL) -> None:
    """Download the first `each` bitmaps of each word to `<folder>/<word>.npy`, like `download_strokes`."""
    _download(words, folder, ".npy", lambda client, word: _rows(client, f"{source}/numpy_bitmap", word, each))


def _download(words: Iterable[str], folder: Path, ending: str, get: Callable[[httpx.Client, str], bytes]) -> None:
    wanted = [word for word in words if not (folder / f"{word}{ending}").is_file()]
    for word in wanted:
        if not _NAME.fullmatch(word):
            raise SketchDataError(f"{word!r} is not a QuickDraw word.")
    folder.mkdir(parents=True, exist_ok=True)
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    with httpx.Client(timeout=timeout, follow_redirects=True) as client, ThreadPoolExecutor(4) as pool:
        jobs = {word: pool.submit(get, client, word) for word in wanted}
        try:
            for word, job in tqdm(jobs.items(), unit="word", disable=not wanted):
                _replace(folder / f"{word}{ending}", job.result())
        finally:
            pool.shutdown(cancel_futures=True)


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def _lines(client: httpx.Client, base: str, word: str, each: int) -> bytes:
    """The first `each` lines of a word's file, each a drawing."""
    url = f"{base}/{quote(word)}.ndjson"
    lines: list[bytes] = []
    rest = b""
    for chunk in _chunks(client, url):
        *whole, rest = (rest + chunk).split(b"\n")
        lines += [line for line in whole if line.strip()]
        if len(lines) >= each:
            break
        if len(rest) > MAX_LINE:
            raise SketchDataError(f"{url} has a line of more than {MAX_LINE} bytes.")
    else:
        lines += [rest] if rest.strip() else []
    for number, line in enumerate(lines[:each], 1):
        try:
            if not json.loads(line)["drawing"]:
                raise ValueError("no strokes")
        except (ValueError, KeyError, TypeError) as error:
            raise SketchDataError(f"{url}, line {number}, is not a drawing ({error}).") from error
    if not lines:
        raise SketchDataError(f"{url} has no drawings.")
    return b"\n".join(lines[:each]) + b"\n"


def _rows(client: httpx.Client, base: str, word: str, each: int) -> bytes:
    """An npy file of the first `each` bitmaps of a word."""
    url = f"{base}/{quote(word)}.npy"
    data = b""
    wanted = 784 * each + 1024  # The header is shorter than 1024 bytes.
    for chunk in _chunks(client, url):
        data += chunk
        if len(data) >= wanted:
            break
    try:
        shape, dtype, start = _npy_header(data)
    except (ValueError, IndexError, EOFError) as error:
        raise SketchDataError(f"{url} is not an npy file ({error}).") from error
    count = min(each, shape[0])
    body = data[start : start + 784 * count]
    if dtype != np.uint8 or shape[1:] != (784,) or len(body) < 784 * count or not count:
        raise SketchDataError(f"{url} has {shape} of {dtype} instead of rows of 784 bytes, or was cut off.")
    buffer = io.BytesIO()
    np.save(buffer, np.frombuffer(body, np.uint8).reshape(count, 784))
    return buffer.getvalue()


def _npy_header(data: bytes) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, dtype and offset of an npy file's array."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype, file.tell()


def _chunks(client: httpx.Client, url: str) -> Iterator[bytes]:
    """The bytes of a response as they arrive."""
    try:
        with client.stream("GET", url) as response:
            if response.status_code != 200:
                raise SketchDataError(f"{url} answered {response.status_code} {response.reason_phrase}.")
            yield from response.iter_bytes()
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise SketchDataError(f"{url} cannot be downloaded ({type(error).__name__}: {error}).") from error
