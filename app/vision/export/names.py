"""What photos are called in exports, and the files about them: no two alike, and every name that was sent stays.

Inside a file (COCO, CSV, LabelMe) a photo's name stands as it was sent. Names of files are made safe for any disk.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import Final

from app.vision.export.items import ExportItem

_MAX_LENGTH: Final = 255  # bytes of one name, on the disks in use
_MAX_ADDITION: Final = 20  # bytes of what formats put behind a photo's name to name a file of their own
_RESERVED: Final = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))}


def base_name(items: Sequence[ExportItem]) -> str:
    """What to call an export: after its photo, or `detections` when there are several."""
    if len(items) > 1:
        return "detections"
    return _cut(PurePosixPath(safe_name(PurePosixPath(items[0].name).name)).stem, _MAX_LENGTH - _MAX_ADDITION)


def own_paths(items: Sequence[ExportItem]) -> list[str]:
    """The name of each photo as it was sent, with its folders. One that is sent again gets a number in later places."""
    return _told_apart([item.name for item in items], same=str, taken=lambda path: _disk_key(without_suffix(path)))


def file_paths(paths: Iterable[str]) -> list[str]:
    """Safe paths for files. Those that some disk would take for an earlier one get a number."""
    return _told_apart([safe_path(path) for path in paths], same=_disk_key, taken=_disk_key)


def without_suffix(path: str) -> str:
    """`train/cat/001.jpg` -> `train/cat/001`."""
    return path.removesuffix(PurePosixPath(path).suffix)


def safe_path(path: str) -> str:
    """A path inside a folder, of parts like `safe_name`'s."""
    *folders, name = re.split(r"[/\\]", path)
    return "/".join([*(safe_name(folder) for folder in folders if folder.strip(" .")), safe_name(name)])


def safe_name(name: str) -> str:
    """A name that is one file in any folder of any system: no path, no control characters, nothing reserved."""
    name = "".join("_" if c in '<>:"/\\|?*' or (unicodedata.category(c)[0] in "CZ" and c != " ") else c for c in name)
    path = PurePosixPath(re.sub(r"\s+", " ", name).strip(" ."))
    suffix = path.suffix if re.fullmatch(r"\.\w{1,8}", path.suffix, re.ASCII) else ""
    stem = path.name.removesuffix(suffix) if suffix else path.name
    if stem.split(".")[0].strip().casefold() in _RESERVED:
        stem = f"_{stem}"
    return (_cut(stem, _MAX_LENGTH - len(suffix)) or "photo") + suffix


def _told_apart(names: Sequence[str], same: Callable[[str], str], taken: Callable[[str], str]) -> list[str]:
    """The names, with a number in each that is the same as an earlier one: the first that no other name has taken."""
    seen: set[str] = set()
    used = {taken(name) for name in names}
    apart = []
    for name in names:
        n, free = 1, name
        while same(name) in seen and taken(free) in used:
            n += 1
            free = _numbered(name, n)
        seen.add(same(name))
        used.add(taken(free))
        apart.append(free)
    return apart


def _numbered(path: str, n: int) -> str:
    folder, slash, name = path.rpartition("/")
    ending = f"_{n}{PurePosixPath(name).suffix}"
    return folder + slash + _cut(without_suffix(name), _MAX_LENGTH - len(ending.encode())) + ending


def _cut(text: str, most: int) -> str:
    """The text without what goes beyond a number of bytes."""
    return text.encode("utf-8", "ignore")[:most].decode("utf-8", "ignore").strip(" .")


def _disk_key(path: str) -> str:
    """The same for all paths that some disk takes for one."""
    return unicodedata.normalize("NFC", path).casefold()
