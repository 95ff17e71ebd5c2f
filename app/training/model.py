"""Prepare a detector for training: load the base's weights and freeze parts of it."""

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from mmcv import Config
from mmdet.models import build_detector
from torch import nn

from app.training.config import training_config
from app.training.errors import TrainingError
from app.vision.analyses.objects.mmdet_build import telling_line


def build(
    cfg: Config, state: dict[str, torch.Tensor], base: Sequence[str], classes: Sequence[str]
) -> tuple[nn.Module, list[str]]:
    """Build the detector of a training config and load a base checkpoint's weights into it.

    Args:
        cfg: from `training_config` with these classes.
        state: the base's weights, of any floating-point dtype.
        base, classes: class names of the base and of the data. Rows of the classification layers are copied by class
            name; a class that the base does not know keeps MMDetection's random initialisation.

    Returns:
        The detector, and the layers that keep their random initialisation because the base does not have them, or
        has them in another shape.

    Raises:
        TrainingError: the base's weights do not match the config's backbone, or the config cannot be built.
    """
    model = _detector(cfg)
    model.init_weights()
    own, rows_of = model.state_dict(), class_rows(cfg, classes)
    fresh = set()
    for key in own:
        value = state.get(key)
        rows = rows_of.get(key)
        if value is not None and rows and _carry_over(own[key], value.float(), key, rows, base, classes):
            continue
        if value is not None and not rows and value.shape == own[key].shape:
            own[key] = value.to(own[key].dtype)
        elif own[key].is_floating_point():  # Old checkpoints do not have the integer counters of batch norms.
            fresh.add(key.rpartition(".")[0])
    if any(layer.startswith("backbone.") for layer in fresh):
        raise TrainingError("The base has another backbone than the config.")
    model.load_state_dict(own)
    return model, sorted(fresh)


def class_rows(cfg: Config, classes: Sequence[str]) -> dict[str, int]:
    """The number of rows for each class, of the weights that have rows for classes. cfg: with these classes."""
    own = _detector(cfg).state_dict()
    larger = _detector(training_config(cfg, [*classes, "one more"])).state_dict()
    return {key: rows for key in own if own[key].ndim and (rows := len(larger[key]) - len(own[key]))}


def learn_rows_only(head: nn.Module, rows_of: Mapping[str, int], classes: Sequence[int]) -> None:
    """Let nothing of a head learn but the rows of these classes.

    Args:
        head: of regions, in which the rows of a class are together; rows_of: rows for each class by name in the head.
    """
    for name, parameter in head.named_parameters():
        parameter.requires_grad_(name in rows_of)
        if rows := rows_of.get(name):
            learned = torch.zeros_like(parameter)
            for index in classes:
                learned[rows * index : rows * (index + 1)] = 1
            parameter.register_hook(partial(torch.mul, learned))


def _detector(cfg: Config) -> Any:
    settings = {name: copy.deepcopy(cfg.get(name)) for name in ("train_cfg", "test_cfg")}
    try:
        return build_detector(copy.deepcopy(cfg.model), **settings)
    except (ImportError, KeyError, TypeError, AttributeError, AssertionError, ValueError) as error:
        raise TrainingError(f"The config cannot be built: {telling_line(error)}.") from error


def _carry_over(
    own: torch.Tensor, value: torch.Tensor, key: str, rows: int, base: Sequence[str], classes: Sequence[str]
) -> bool:
    """Copy the rows of the classes that the base knows into a classification layer with `rows` rows per class.

    RoI heads keep the rows of a class together, with background last; anchor heads keep the classes of an anchor
    together.

    Returns:
        Whether the base's layer has the same structure, so that rows could be copied.
    """
    background = len(own) - rows * len(classes)
    if value.shape[1:] != own.shape[1:] or len(value) != rows * len(base) + background:
        return False
    by_class = key.startswith("roi_head.")

    def of_classes(tensor: torch.Tensor, count: int) -> torch.Tensor:
        part = tensor[: rows * count]
        split: torch.Tensor = part.unflatten(0, (count, rows) if by_class else (rows, count))
        return split if by_class else split.transpose(0, 1)

    mine, theirs = of_classes(own, len(classes)), of_classes(value, len(base))
    for index, name in enumerate(classes):
        if name in base:
            mine[index] = theirs[list(base).index(name)]
    own[rows * len(classes) :] = value[rows * len(base) :]
    return True


def freeze(model: nn.Module, prefixes: Sequence[str]) -> None:
    """Exclude the parameters under these prefixes, and every batch norm, from training."""
    for name, parameter in model.named_parameters():
        if name.startswith(tuple(prefixes)):
            parameter.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for parameter in module.parameters():
                parameter.requires_grad_(False)


def train_mode(model: nn.Module) -> None:
    """Set training mode, but keep every batch norm in evaluation mode: batches are too small for their statistics."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
