"""Writes trained networks as one ONNX file in half precision, with its card."""

import copy
import hashlib
import io
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn


class Together(nn.Module):
    """Several networks side by side: (N, 1, 28, 28) to (N, networks * words)."""

    def __init__(self, networks: Sequence[nn.Module]):
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, bitmaps: torch.Tensor) -> torch.Tensor:
        """The logits of one network after the other."""
        return torch.cat([network(bitmaps) for network in self.networks], dim=1)


def onnx_bytes(networks: Sequence[nn.Module]) -> bytes:
    """An ONNX file of the networks in half precision. OpenCV computes it in single precision."""
    together = copy.deepcopy(Together(networks)).eval().half()
    together.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The newer exporter that torch recommends needs more packages and writes a larger file.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            together,
            (torch.zeros(1, 1, 28, 28, dtype=torch.half),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            input_names=["bitmaps"],
            output_names=["logits"],
            dynamic_axes={"bitmaps": {0: "drawings"}, "logits": {0: "drawings"}},
        )
    return buffer.getvalue()


def publish(folder: Path, name: str, networks: Sequence[nn.Module], card: dict[str, Any]) -> tuple[Path, Path]:
    """Write `sketch_<name>.onnx` and `sketch_<name>.json`.

    The card holds the SHA-256 of the weights, so that a mismatched pair can be detected.
    """
    weights = onnx_bytes(networks)
    card = card | {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}
    network_path, card_path = folder / f"sketch_{name}.onnx", folder / f"sketch_{name}.json"
    write_file(network_path, weights)
    write_file(card_path, (json.dumps(card, indent=1) + "\n").encode())
    return network_path, card_path


def write_file(path: Path, data: bytes) -> None:
    """Write a file, and its folder if it is missing. It appears only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
