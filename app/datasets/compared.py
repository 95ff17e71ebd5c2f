"""Photos with their truth beside what models found in them, as they are stored: rows, of which pictures are made."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from app.vision.analyses.objects.result import Instances
from app.vision.render.class_colours import Colours
from app.vision.render.palette import colours_apart
from app.vision.results import Analysed, ModelCard

# Who says what is in a photo: a person, the model that the training began with, and the trained one.
TRUTH, BASE, TRAINED = LAYERS = ("truth", "base", "trained")
# What a training leaves in its folder: a few photos after each evaluation; and of the best weights the photos with the
# worst mistakes, and the mistakes in all photos.
WATCHED_FILE, WORST_FILE, MISTAKES_FILE = "watched.json.gz", "worst.json.gz", "mistakes.json"
# The lowest score that counts, and the overlap (IoU) from which two boxes are of one thing.
THRESHOLD: Final = 0.5
OVERLAP: Final = 0.5


@dataclass(frozen=True)
class Compared:
    """A photo of a comparison.

    sha256: of the photo's file; layers: objects by who says it, those that the threshold shows; a model that knows none
    of the classes has no layer.
    missed: objects that were not found; wrong: found ones that are not there; confused: taken for another class.
    """

    sha256: str
    name: str
    layers: Mapping[str, Instances]
    missed: int = 0
    wrong: int = 0
    confused: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the photo."""
        return self.layers[TRUTH].size

    @property
    def colours(self) -> Colours:
        """The colours of the classes, the same in all layers."""
        names = (name for layer in LAYERS if layer in self.layers for name in self.layers[layer].names)
        return Colours(colours_apart(names), {})

    def results(self, layer: str) -> dict[str, Analysed]:
        """A layer as pictures take it. Raises KeyError."""
        return {"objects": Analysed(ModelCard("objects", layer, layer, "1", ""), self.layers[layer])}

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**vars(self), "layers": {layer: found.to_dict() for layer, found in self.layers.items()}}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """What `to_dict` gave."""
        layers = {layer: Instances.from_dict(found) for layer, found in data["layers"].items()}
        return cls(**{**data, "layers": layers})


def dump(photos: Sequence[Compared]) -> bytes:
    """Photos as a file: gzip of JSON."""
    return gzip.compress(json.dumps([photo.to_dict() for photo in photos]).encode(), mtime=0)


def load(data: bytes) -> list[Compared]:
    """What `dump` wrote."""
    return [Compared.from_dict(entry) for entry in json.loads(gzip.decompress(data))]
