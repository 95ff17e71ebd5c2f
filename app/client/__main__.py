"""`python -m app.client`: send photos to a server, and get annotated photos and results back."""

import argparse
import glob
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from app.client import ApiError, Client, ConnectionFailed, Run, RunFailed
from app.client.wire import sendable

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".pef", ".srw"),
    )
)
FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
_FAILURES = (ApiError, ConnectionFailed, RunFailed, TimeoutError, OSError, UnicodeError)


@dataclass(frozen=True)
class Item:
    """A photo to send: a file or an address, and the path of its annotated version inside the output folder."""

    source: str
    output: Path


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    options = argparse.ArgumentParser(prog="python -m app.client", description="Find objects in photos.")
    options.add_argument("photos", nargs="+", help="files, folders, patterns such as 'trip/**/*.jpg', or addresses")
    options.add_argument("--out", type=Path, help="where annotated photos go: a file for one photo, else a folder")
    options.add_argument("--json", action="store_true", help="print results as JSON, one line per photo")
    options.add_argument("--threshold", type=_score, help="minimum score shown, 0 to 1")
    options.add_argument("--classes", default="", help="only these classes, separated by commas")
    options.add_argument("--analyses", default="", help="analyses to run, separated by commas (default: objects)")
    options.add_argument("--server", default=os.environ.get("DETECTOR_SERVER", "http://127.0.0.1:5000"))
    options.add_argument("--key", default=os.environ.get("DETECTOR_API_KEY"), help="API key (or DETECTOR_API_KEY)")
    options.add_argument("--jobs", type=int, default=4, help="photos sent at a time (default: 4)")
    options.add_argument("--timeout", type=float, help="maximum seconds to wait for one photo's result")
    return options


def main(arguments: Sequence[str] | None = None, client: Client | None = None) -> int:
    """Run the command. Returns its exit status: 0, 1 when a photo failed, 2 when there is nothing to do."""
    options = parser().parse_args(arguments)
    items = find(options.photos)
    try:
        single = _is_single(options.out, len(items))
        api = client or Client(options.server, options.key)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    failed = 0
    with (
        api,
        ThreadPoolExecutor(max(1, options.jobs)) as threads,
        tqdm(total=len(items), unit="photo", disable=None, file=sys.stderr) as bar,
    ):
        outcomes = threads.map(lambda item: _process(api, item, options, single), items)
        for item, outcome in zip(items, outcomes, strict=True):
            bar.update()
            if isinstance(outcome, Run):
                _say(bar, _line(item, outcome, options.json), sys.stdout)
            else:
                failed += 1
                _say(bar, f"{item.source}: {outcome}", sys.stderr)
    return 1 if failed else 0


def _is_single(out: Path | None, photos: int) -> bool:
    """Whether `out` names a file for the only photo, not a folder. Raises ValueError if it can be neither."""
    if not photos:
        raise ValueError("No photos found.")
    suffix = out.suffix.lower() if out is not None else ""
    if suffix in SUFFIXES and suffix not in FORMATS:
        raise ValueError(f"Annotated photos are JPEG, PNG or WebP files: --out cannot end in {suffix}.")
    if suffix in FORMATS and photos > 1:
        raise ValueError("For several photos --out must name a folder.")
    return suffix in FORMATS


def find(arguments: Sequence[str]) -> list[Item]:
    """The photos that the arguments name, each once, with distinct outputs: folders by suffix, files as they are."""
    found: dict[str, Path] = {}
    for source, relative in _named(arguments):
        found.setdefault(source, relative)
    outputs = _told_apart([_writable(path.with_name(f"detected_{path.name}")) for path in found.values()])
    return [Item(source, output) for source, output in zip(found, outputs, strict=True)]


def _told_apart(paths: Sequence[Path]) -> list[Path]:
    """The paths, with a number in each that is an earlier one again: the next that no other path has."""
    used = set(paths)
    times: Counter[Path] = Counter()
    apart = []
    for path in paths:
        times[path] += 1
        free = path
        while times[path] > 1 and free in used:
            free = path.with_name(f"{path.stem}_{times[path]}{path.suffix}")
            times[path] += free in used
        used.add(free)
        apart.append(free)
    return apart


def _writable(path: Path) -> Path:
    """The same path with the suffix of a format that the server can write: PNG, WebP, else JPEG."""
    return path if path.suffix.lower() in FORMATS else path.with_suffix(".jpg")


def _named(arguments: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for argument in arguments:
        path = Path(argument)
        if argument.startswith(("http://", "https://")):
            yield argument, Path(Path(argument.split("?")[0]).name or "photo")
        elif path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix.lower() in SUFFIXES and file.is_file():
                    yield str(file), file.relative_to(path)
        elif path.exists() or not glob.has_magic(argument):
            yield argument, Path(path.name)
        else:
            for name in sorted(glob.glob(argument, recursive=True)):
                if Path(name).is_file():
                    yield name, Path(Path(name).name)


def _process(client: Client, item: Item, options: argparse.Namespace, single: bool) -> Run | Exception:
    """Send one photo, wait for it and write its annotated version. Returns the run, or the error."""
    try:
        run = client.detect(
            item.source,
            timeout=options.timeout,
            threshold=options.threshold,
            classes=_split(options.classes),
            analyses=_split(options.analyses),
        )
        if options.out is not None:
            target = options.out if single else options.out / item.output
            image = client.image(run.id, format=FORMATS[target.suffix.lower()])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(image)
        return run
    except _FAILURES as error:
        return error


def _say(bar: tqdm, line: str, file: TextIO) -> None:
    """Write a line above the bar, with question marks for characters that the terminal or file cannot show."""
    encoding = file.encoding or "utf-8"
    bar.write(line.encode(encoding, "replace").decode(encoding), file=file)


def _line(item: Item, run: Run, as_json: bool) -> str:
    if as_json:
        return json.dumps({"source": sendable(item.source), **run.data})
    parts = [f"{count} {name}" for name, count in Counter(detection.name for detection in run.objects).items()]
    parts += [f"{len(run.faces)} face{'s' if len(run.faces) > 1 else ''}"] if run.faces else []
    parts += [f"{label.name} {label.score:.0%}" for label in run.labels]
    parts += [json.dumps(text, ensure_ascii=False) for text in run.texts]
    return f"{item.source}: {', '.join(parts) or 'nothing found'}"


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _score(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be from 0 to 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
