"""Layers of networks as OpenVINO operations, their weights taken by name from a checkpoint's arrays."""

from collections.abc import Callable, Mapping

import numpy as np
import openvino as ov
from openvino import opset14 as ops

from app.vision.engine.record import EngineError

# A counter of batch norms in training, which no output depends on.
COUNTER = ".num_batches_tracked"


class Layers:
    """The layers of one network. A layer that is applied several times shares its weights.

    Convolutions and related layers take and return (N, C, H, W). Weights are float32. EngineError is raised if weights
    are missing.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._arrays = arrays
        self._taken: set[str] = set()
        self._made: dict[str, list[ov.Node]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array."""
        if name not in self._arrays:
            raise EngineError(f"its weights are of another network: {name} is missing.")
        return self._arrays[name].shape

    def count(self, pattern: str) -> int:
        """Number of layers of a numbered kind. pattern: name of an array, with `{}` for the number."""
        number = 0
        while pattern.format(number) in self._arrays:
            number += 1
        return number

    def unused(self) -> list[str]:
        """The names of arrays that no layer has used."""
        return sorted(name for name in self._arrays.keys() - self._taken if not name.endswith(COUNTER))

    def convolution(
        self,
        x: ov.Output,
        name: str,
        norm: str = "",
        epsilon: float = 0.0,
        *,
        stride: int = 1,
        padding: tuple[int, int] | None = None,
        grouped: bool = False,
    ) -> ov.Output:
        """A convolution.

        Args:
            norm: the batch norm that follows, whose scale and shift go into the weights; epsilon: its epsilon.
            padding: rows and columns before and after; by default as many as keep the size.
            grouped: whether the channels may be grouped; the number of groups follows from the weights.
        """
        if name not in self._made:
            seen = self.shape(f"{name}.weight")[1]
            groups = x.get_partial_shape()[1].get_length() // seen if grouped else 1
            self._made[name] = self._convolution(name, norm, epsilon, groups)
        weight, *bias = self._made[name]
        shape = weight.get_output_shape(0)
        before, after = padding or (shape[-1] // 2, shape[-1] // 2)
        kind = ops.convolution if len(shape) == 4 else ops.group_convolution
        y = kind(x, weight, [stride] * 2, [before] * 2, [after] * 2, [1, 1])
        return add(y, bias[0]) if bias else y.output(0)

    def _convolution(self, name: str, norm: str, epsilon: float, groups: int) -> list[ov.Node]:
        """Weight and, where there is one, bias."""
        weight = self._take(f"{name}.weight")
        bias = self._take(f"{name}.bias") if f"{name}.bias" in self else None
        if norm:
            gamma, beta = self._take(f"{norm}.weight"), self._take(f"{norm}.bias")
            mean, variance = self._take(f"{norm}.running_mean"), self._take(f"{norm}.running_var")
            # In this order, and in float32, the weights are bit for bit those of a converted network.
            scale = gamma / np.sqrt(variance + np.float32(epsilon))
            weight = weight * scale[:, None, None, None]
            bias = beta - mean * scale if bias is None else beta + (bias - mean) * scale
        if groups > 1:
            weight = weight.reshape(groups, -1, *weight.shape[1:])
        made = [constant(weight, f"{name}.weight")]
        return made if bias is None else [*made, constant(bias[None, :, None, None], f"{name}.bias")]

    def upsampling(self, x: ov.Output, name: str) -> ov.Output:
        """A transposed convolution with stride 2."""
        weight = constant(self._take(f"{name}.weight"), f"{name}.weight")
        bias = constant(self._take(f"{name}.bias")[None, :, None, None], f"{name}.bias")
        return add(ops.convolution_backprop_data(x, weight, [2, 2]), bias)

    def linear(self, x: ov.Output, name: str) -> ov.Output:
        """(N, C) to (N, D)."""
        weight = constant(self._take(f"{name}.weight"), f"{name}.weight")
        bias = constant(self._take(f"{name}.bias")[None], f"{name}.bias")
        return add(ops.matmul(x, weight, transpose_a=False, transpose_b=True), bias)

    def prelu(self, x: ov.Output, name: str) -> ov.Output:
        """A ReLU with a slope for negative values, one per channel."""
        return ops.prelu(x, constant(self._take(f"{name}.weight"), f"{name}.weight")).output(0)

    def _take(self, name: str) -> np.ndarray:
        self.shape(name)
        self._taken.add(name)
        return np.asarray(self._arrays[name], np.float32)


def assemble(arrays: Mapping[str, np.ndarray], make: Callable[[Layers], ov.Model]) -> ov.Model:
    """The graph that `make` builds from layers. It must use every array.

    Raises EngineError if the arrays belong to another network.
    """
    layers = Layers(arrays)
    try:
        graph = make(layers)
    except EngineError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:  # From OpenVINO and NumPy, for sizes that do not match.
        raise EngineError(f"its weights do not fit together: {str(error).strip().splitlines()[-1]}") from error
    if unused := layers.unused():
        raise EngineError(f"its weights are of another network: {unused[0]} has no place in it.")
    return graph


def constant(values: np.ndarray, name: str = "") -> ov.Node:
    made = ops.constant(np.ascontiguousarray(values))
    if name:
        made.set_friendly_name(name)
    return made


def relu(x: ov.Output) -> ov.Output:
    return ops.relu(x).output(0)


def relu6(x: ov.Output) -> ov.Output:
    return ops.clamp(x, 0.0, 6.0).output(0)


def sigmoid(x: ov.Output) -> ov.Output:
    return ops.sigmoid(x).output(0)


def softmax(x: ov.Output) -> ov.Output:
    """Over the second dimension."""
    return ops.softmax(x, 1).output(0)


def add(x: ov.Output, y: ov.Output) -> ov.Output:
    return ops.add(x, y).output(0)


def pool(x: ov.Output, size: int, stride: int, padding: int = 0, *, cut_off: bool = False) -> ov.Output:
    """Max pooling. cut_off: whether windows that extend beyond the edge count."""
    rounding = "ceil_torch" if cut_off else "floor"
    return ops.max_pool(x, [stride] * 2, [1, 1], [padding] * 2, [padding] * 2, [size] * 2, rounding).output(0)


def mean(x: ov.Output) -> ov.Output:
    """(N, C, H, W) to the mean of each channel, (N, C, 1, 1)."""
    return ops.reduce_mean(x, constant(np.array([2, 3], np.int64)), keep_dims=True).output(0)


def transpose(x: ov.Output, *order: int) -> ov.Output:
    return ops.transpose(x, constant(np.array(order, np.int64))).output(0)


def flatten(x: ov.Output) -> ov.Output:
    """(N, ...), all but N known, to (N, C)."""
    size = int(np.prod([side.get_length() for side in list(x.get_partial_shape())[1:]]))
    return ops.reshape(x, constant(np.array([-1, size], np.int64)), special_zero=False).output(0)


def parameter(name: str, *shape: int) -> ov.Node:
    """The input of a graph, float32; -1 is any size."""
    made = ops.parameter(list(shape), np.float32, name)
    made.output(0).set_names({name})
    return made
