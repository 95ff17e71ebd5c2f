"""What the processor could do at best: the operations of a graph, and the pace of one large matrix product.

An engine that computes the same convolutions in the same precision cannot be faster than the one divided by the other.
"""

import statistics
import tempfile
import time
from pathlib import Path

import nncf
import numpy as np
import openvino as ov
from openvino import opset13 as ops

from app.vision.engine.runtime import Graph, Runtime, core

SIDE, ROUNDS = 2048, 20


def operations(graph: Path, shape: tuple[int, ...]) -> float:
    """Multiplications and additions in the convolutions and matrix products of a graph for one input shape."""
    model = core().read_model(str(graph))
    model.reshape(list(shape))
    return sum(_operations(node) for node in model.get_ops())


def _operations(node: ov.Node) -> float:
    kind = node.get_type_name()
    inputs = [list(value.get_shape()) for value in node.input_values()]
    if kind == "Convolution":  # Weights (out, in, h, w): each output is a sum over in, h and w.
        return 2.0 * np.prod(node.get_output_shape(0)) * np.prod(inputs[1][1:])
    if kind == "ConvolutionBackpropData":  # Weights (in, out, h, w): each input goes to out, h and w.
        return 2.0 * np.prod(inputs[0]) * np.prod(inputs[1][1:])
    if kind == "MatMul":
        inner = inputs[0][-2 if node.get_attributes()["transpose_a"] else -1]
        return 2.0 * np.prod(node.get_output_shape(0)) * inner
    return 0.0


def pace(precision: str) -> float:
    """Operations a second of a product of two large matrices, all cores together."""
    rng = np.random.default_rng(0)
    value, weights = (rng.standard_normal((SIDE, SIDE), np.float32) for _ in range(2))
    parameter = ops.parameter([SIDE, SIDE], np.float32)
    model = ov.Model([ops.matmul(parameter, ops.constant(weights), False, False)], [parameter])
    if precision == "int8":
        model = nncf.quantize(model, nncf.Dataset([value]), subset_size=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "product.xml"
        ov.save_model(model, str(path), compress_to_fp16=False)
        graph = Graph(Runtime(precision), path)
        graph(value)
        seconds = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            graph(value)
            seconds.append(time.perf_counter() - began)
    return 2.0 * SIDE**3 / statistics.median(seconds)
