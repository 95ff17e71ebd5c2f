"""Write a trained detector as a folder that can be served: checkpoint, config and catalogue entry."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmcv import Config

from app.training.partial_masks import PartialMaskRoIHead
from app.vision.analyses.objects.blueprint import blueprint_file
from app.vision.analyses.objects.describe import blueprint
from app.vision.catalogue.checkpoints import sha256_of
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.engine.record import EngineError

# Added to the title of a trained model, once, however often it is trained.
TUNED = ", fine-tuned"


def publish(
    folder: Path, name: str, state: Mapping[str, torch.Tensor], config: Config, classes: Sequence[str], base: Model
) -> Model:
    """Write `<name>.pth` (MMDetection's format, float16), `<name>.py` and `models.toml`: all of them or none.

    Serve the folder with `MODEL=<folder>`. The blueprint beside the config lets a machine without PyTorch build the
    engine; a detector that cannot be exported has none.

    Args:
        state: the detector's weights; config: of the training; base: catalogue entry of the base model.
    """
    weights = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    names = [f"{name}.pth", f"{name}.py", "models.toml"]
    weights_part, config_part, catalogue_part = parts = [folder / f"{file}.part" for file in names]
    torch.save({"state_dict": weights, "meta": {"CLASSES": tuple(classes)}}, weights_part)
    config_part.write_text(serving_config(config).pretty_text + "\n")
    entry = {
        "name": name,
        "title": f"{base.title.removesuffix(TUNED)}{TUNED}",
        "analyzer": "objects",
        "loader": "mmdet",
        "config": f"{name}.py",
        "file": f"{name}.pth",
        "sha256": sha256_of(weights_part),
        "size": weights_part.stat().st_size,
        "labels": list(classes),
        "licence": base.licence,
    }
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()]
    catalogue_part.write_text("\n".join(["[[model]]", *lines, ""]))
    for part, file in zip(parts, names, strict=True):
        part.replace(folder / file)
    _write_blueprint(folder / f"{name}.py")
    return load_catalogue(folder / "models.toml")[name]


def _write_blueprint(config: Path) -> None:
    blueprint_file(config).unlink(missing_ok=True)
    with contextlib.suppress(EngineError):
        blueprint(config).write(config)


def serving_config(config: Config) -> Config:
    """The training's config without classes that MMDetection does not have."""
    values: dict[str, Any] = config._cfg_dict.to_dict()
    roi_head = values["model"].get("roi_head")
    if roi_head and roi_head["type"] == PartialMaskRoIHead.__name__:
        roi_head["type"] = "StandardRoIHead"
    return Config(values)
