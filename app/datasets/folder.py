"""A folder of photos and annotation files, as a tool left it: which files there are, and which photo a name means."""

from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath

PHOTOS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif")


class Folder:
    """The files under a folder, hidden ones and links left out."""

    def __init__(self, root: Path):
        self.root = root

    @cached_property
    def files(self) -> list[Path]:
        """Every file, in a fixed order."""
        found = (path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())
        return sorted(path for path in found if not any(part.startswith(".") for part in self.parts(path)))

    @cached_property
    def photos(self) -> list[Path]:
        """The files that are photos by their names."""
        return [path for path in self.files if path.suffix.lower() in PHOTOS]

    def parts(self, path: Path) -> tuple[str, ...]:
        """The parts of a path inside this folder."""
        return path.relative_to(self.root).parts

    def name(self, path: Path) -> str:
        """A path inside this folder as a photo's name, with its sub-folders."""
        return "/".join(self.parts(path))

    def photo(self, named: str, beside: Path) -> Path | None:
        """The photo that an annotation file calls by a name; None where there is none, or several might be meant.

        It counts from the file's own folder or one above it, in `images` or `JPEGImages` too; else its last part
        counts. It never leads out of this folder.
        """
        name = PurePosixPath(named.replace("\\", "/"))
        if not name.is_absolute() and ".." not in name.parts and name.parts:
            for parent in [beside.parent, *beside.parent.parents]:
                for place in (parent, parent / "images", parent / "JPEGImages"):
                    if (path := place / name) in self._known:
                        return path
                if parent == self.root:
                    break
        same = self._by_last_part[name.name]
        return same[0] if len(same) == 1 else None

    @cached_property
    def _known(self) -> set[Path]:
        return set(self.photos)

    @cached_property
    def _by_last_part(self) -> dict[str, list[Path]]:
        by_name = defaultdict(list)
        for path in self.photos:
            by_name[path.name].append(path)
        return by_name
