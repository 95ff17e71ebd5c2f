"""What a detector's engine is built from besides its weights: JSON beside the detector's config.

`python -m app.vision.analyses.objects.describe` writes it, by MMDetection, so that engines can be built where that is
not installed.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.vision.analyses.objects.spec import EngineSpec
from app.vision.catalogue.config_text import digest
from app.vision.engine.record import EngineError

# Raised when a blueprint of before would be read wrongly.
FORMAT = 1


@dataclass(frozen=True)
class Network:
    """What the weights do not say about their network.

    backbone: `resnet`, `resnet-caffe` (either may be a ResNeXt), or a variant of `engine.networks.LITE`.
    outputs: the stages of a ResNet, or the blocks of an EfficientNet, whose features the pyramid is made from.
    epsilons: of the norms in `backbone`, `neck`, `boxes` and `masks`.
    """

    backbone: str
    outputs: tuple[int, ...]
    epsilons: dict[str, float]


@dataclass(frozen=True)
class Blueprint:
    """network, and an engine's description without class names and source."""

    network: Network
    spec: EngineSpec

    def write(self, config: Path) -> None:
        """Write the blueprint beside the config that it was read from."""
        values = {"format": FORMAT, "config": digest(config), "network": asdict(self.network), **asdict(self.spec)}
        del values["classes"], values["source"]
        lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
        blueprint_file(config).write_text(f"{{\n{lines}\n}}\n")

    @classmethod
    def read(cls, config: Path) -> "Blueprint | None":
        """The blueprint beside a config; None where there is none, or it is of another text of the config.

        Raises EngineError where it cannot be read.
        """
        path = blueprint_file(config)
        if not path.is_file():
            return None
        try:
            values: dict[str, Any] = json.loads(path.read_text())
            if (values.pop("format"), values.pop("config")) != (FORMAT, digest(config)):
                return None
            network = values.pop("network")
            outputs = tuple(network.pop("outputs"))
            return cls(
                Network(outputs=outputs, **network), EngineSpec.from_values({**values, "classes": (), "source": {}})
            )
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise EngineError(f"{path.name} cannot be read.") from error


def blueprint_file(config: Path) -> Path:
    return config.with_suffix(".json")
