"""A trained detector as files that the program serves: checkpoint, config and catalogue entry in one folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmcv import Config

from app.training.partial_masks import PartialMaskRoIHead
from app.vision.catalogue.checkpoints import sha256_of
from app.vision.catalogue.models import Model, load_catalogue

# After the title of a model that was trained here, once, however often.
TUNED = ", fine-tuned"


def publish(
    folder: Path, name: str, state: Mapping[str, torch.Tensor], config: Config, classes: Sequence[str], base: Model
) -> Model:
    """Write `<name>.pth` (MMDetection's format, fp16), `<name>.py` and `models.toml`, all or none of them.

    Serve it with `MODEL=<folder>`.

    Args:
        config: of the training; state: the detector's weights; base: the catalogue entry it started from.
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
    return load_catalogue(folder / "models.toml")[name]


def serving_config(config: Config) -> Config:
    """The training's config without what is no part of MMDetection."""
    values: dict[str, Any] = config._cfg_dict.to_dict()
    roi_head = values["model"].get("roi_head")
    if roi_head and roi_head["type"] == PartialMaskRoIHead.__name__:
        roi_head["type"] = "StandardRoIHead"
    return Config(values)
