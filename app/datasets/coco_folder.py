"""Where a COCO-format folder keeps its annotations and photos, by the tool that exported it.

| | annotations | photos |
|---|---|---|
| Label Studio | `result.json` | `images/`, named `images/a.jpg`, `images\\a.jpg` or by an address of its server |
| CVAT | `annotations/instances_<subset>.json` | `images/<subset>/` or `images/` |
| COCO | `annotations/instances_<subset>.json` | `<subset>/` |
| FiftyOne | `labels.json` | `data/` |
| Roboflow | `_annotations.coco.json` | beside the file |
| others | `instances.json`, `annotations.json` | `images/` or beside the file |
"""

import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from app.datasets.errors import DataError

FILES = ("instances.json", "result.json", "annotations.json", "labels.json", "_annotations.coco.json")
SUBSET = "instances_"
# In Label Studio's address of a photo in a folder of its server, before the photo's path.
SERVED = "/data/local-files/?d="
# NumPy and pycocotools keep ids in 64 bits.
MAX_ID = 2**63 - 1
# Some tools write these as text, or as floating-point numbers.
INTEGERS = ("id", "image_id", "category_id", "width", "height", "iscrowd")
INTEGER = re.compile(r"-?[0-9]{1,19}(\.0+)?")


@dataclass(frozen=True)
class CocoFolder:
    """A folder and its annotation file.

    path: the annotation file; brushed: whether CVAT wrote it, which marks everything painted with the brush as a
    crowd; images, categories: its entries, checked; annotations: its entries, unchecked. Integers that were written as
    text or as floating-point numbers are integers here.
    """

    folder: Path
    path: Path
    brushed: bool
    images: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    annotations: list[dict[str, Any]]

    def photo(self, name: str) -> Path | None:
        """The path of the photo with this `file_name`, or None. It never leads out of the folder.

        A path that does not exist here, such as one on Label Studio's server, is looked up by its last part.
        """
        named = _path(name)
        subset = self.path.stem.removeprefix(SUBSET)
        places = [self.folder / place for place in ("images", f"images/{subset}", subset, "data", ".")]
        paths = [place / named for place in places] if not named.is_absolute() and ".." not in named.parts else []
        if self._last_parts[named.name] == 1:
            paths += [place / named.name for place in places]
        return next((path for path in paths if path.is_file()), None)

    @cached_property
    def _last_parts(self) -> Counter[str]:
        return Counter(_path(str(image["file_name"])).name for image in self.images)


def open_folder(folder: Path) -> CocoFolder:
    """Find and read a folder's annotation file.

    Raises:
        DataError: there is none, or more than one; it is unreadable, empty or not in COCO format.
    """
    return open_file(folder, _annotation_file(folder))


def open_file(folder: Path, path: Path) -> CocoFolder:
    """Read one annotation file of a folder. Raises DataError: it is unreadable, empty or not in COCO format."""
    try:
        file = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    lists = isinstance(file, dict) and all(isinstance(file.get(k), list) for k in ("images", "categories"))
    if not lists or not file["images"] or not file["categories"]:
        raise DataError(f"{path} is empty or not in COCO format: it must list images and categories.")
    file["annotations"] = file.get("annotations") or []
    for kind, keys in (("images", ("id", "file_name")), ("categories", ("id", "name")), ("annotations", ())):
        for entry in file[kind]:
            missing = [key for key in keys if key not in entry] if isinstance(entry, dict) else ["its keys"]
            if missing:
                raise DataError(f"{path} is not in COCO format: one of its {kind} lacks {missing[0]}.")
            entry.update({key: _integer(entry[key]) for key in INTEGERS if key in entry})
    _check_categories(path, file["categories"])
    if odd := [
        f"{i['file_name']}: its id {i['id']!r} is not an integer" for i in file["images"] if not _whole(i["id"])
    ]:
        raise DataError(f"{path} has {len(odd)} photos without a valid id.", odd)
    info: Any = file.get("info")
    # COCO's own files are in `annotations/` too, but have a description; their crowds are true crowds.
    described = isinstance(info, dict) and bool(info.get("description"))
    brushed = path.parent.name == "annotations" and not described
    return CocoFolder(folder, path, brushed, file["images"], file["categories"], file["annotations"])


def _path(name: str) -> PurePosixPath:
    _, served, path = name.partition(SERVED)
    return PurePosixPath((unquote(path) if served else name).replace("\\", "/"))


def _annotation_file(folder: Path) -> Path:
    subsets = sorted(folder.glob(f"annotations/{SUBSET}*.json"))
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None and len(subsets) > 1:
        names = ", ".join(subset.name for subset in subsets)
        raise DataError(f"{folder} holds several annotation files; keep one of them: {names}.")
    if path is None and not subsets:
        wanted = ", ".join((*FILES, f"annotations/{SUBSET}default.json"))
        raise DataError(f"{folder} holds no annotation file; it needs one of {wanted}.")
    return path or subsets[0]


def _check_categories(path: Path, categories: list[dict[str, Any]]) -> None:
    """Raises DataError, with one problem per category whose id or name is missing, malformed or not unique."""
    problems = []
    ids: set[int] = set()
    names: set[str] = set()
    for category in categories:
        id, name = category["id"], category["name"]
        if not _whole(id):
            problems.append(f"category {name!r}: its id {id!r} is not an integer")
        elif id in ids:
            problems.append(f"category {name!r}: another has its id {id}")
        if not isinstance(name, str) or not name.strip():
            problems.append(f"category {id}: it has no name")
        elif any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            problems.append(f"category {id}: its name {name!r} has a character that cannot be shown")
        elif name in names:
            problems.append(f"category {id}: another has its name {name!r}")
        ids |= {id} if _whole(id) else set()
        names |= {name} if isinstance(name, str) else set()
    if problems:
        raise DataError(f"{path} has {len(problems)} categories without a valid, unique id and name.", problems)


def _integer(value: Any) -> Any:
    """The integer that a text or a floating-point number stands for; any other value as it is."""
    if isinstance(value, str) and INTEGER.fullmatch(value):
        return int(value.partition(".")[0])
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole(value: object) -> bool:
    return type(value) is int and abs(value) <= MAX_ID
