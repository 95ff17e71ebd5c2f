"""What the engine of a detector records: everything that serving it needs besides the graphs."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.vision.engine.record import read_record, write_record


@dataclass(frozen=True)
class Preprocessing:
    """scale: greatest (long, short) side; mean, std: in the network's channel order; divisor: sides are padded to a
    multiple of it."""

    scale: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    to_rgb: bool
    divisor: int


@dataclass(frozen=True)
class ProposalSpec:
    """The region proposal network. anchors: (A, 4) of each level's origin cell.

    fitted: anchors are as far apart as the input's size divided by the map's, rounded down, as in torchvision, and not
    by the level's stride.
    """

    strides: tuple[int, ...]
    anchors: tuple[tuple[tuple[float, float, float, float], ...], ...]
    means: tuple[float, ...]
    stds: tuple[float, ...]
    before: int
    limit: int
    iou: float
    min_size: float
    fitted: bool = False


@dataclass(frozen=True)
class PoolSpec:
    """A RoIAlign extractor: cells a side, samples a cell (0: adaptive), strides of its levels, finest scale.

    aligned: whether pixels are points in the middle of their squares, as in MMDetection, or at their corners and no
    region is less than a cell, as in torchvision.
    """

    size: int
    sampling: int
    strides: tuple[int, ...]
    finest: float
    aligned: bool = True


@dataclass(frozen=True)
class BoxSpec:
    """The box head and its suppression."""

    pool: PoolSpec
    means: tuple[float, ...]
    stds: tuple[float, ...]
    score: float
    iou: float
    limit: int


@dataclass(frozen=True)
class MaskSpec:
    """The mask head. agnostic: one mask for all classes."""

    pool: PoolSpec
    agnostic: bool
    threshold: float


@dataclass(frozen=True)
class EngineSpec:
    """A whole two-stage detector. source: what it was made from (checkpoint and config hashes, tool versions)."""

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    proposals: ProposalSpec
    boxes: BoxSpec
    masks: MaskSpec | None
    source: dict[str, str]

    def write(self, folder: Path) -> None:
        write_record(folder, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "EngineSpec":
        """Raises EngineError when the folder does not hold an engine of this format."""
        return cls.from_values(read_record(folder))

    @classmethod
    def from_values(cls, data: dict[str, Any]) -> "EngineSpec":
        """The opposite of `asdict`, from JSON's lists and dicts."""
        masks = data["masks"]
        return cls(
            tuple(data["classes"]),
            Preprocessing(**_tuples(data["preprocessing"])),
            ProposalSpec(**_tuples(data["proposals"])),
            BoxSpec(**_tuples({**data["boxes"], "pool": PoolSpec(**_tuples(data["boxes"]["pool"]))})),
            MaskSpec(**{**masks, "pool": PoolSpec(**_tuples(masks["pool"]))}) if masks else None,
            data["source"],
        )


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    def freeze(value: Any) -> Any:
        return tuple(freeze(v) for v in value) if isinstance(value, list) else value

    return {name: freeze(value) for name, value in values.items()}
