"""The benchmark's count of operations: two for every multiplication with its addition."""

from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from bench.arithmetic import operations


def test_convolutions_and_products_are_counted(tmp_path: Path) -> None:
    image = ops.parameter([1, 3, -1, -1], np.float32)
    convolved = ops.convolution(image, np.zeros((4, 3, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    doubled = ops.convolution_backprop_data(convolved, np.zeros((4, 2, 2, 2), np.float32), [2, 2])
    flat = ops.reshape(doubled, ops.constant(np.array([2, -1])), False)
    product = ops.matmul(flat, np.zeros((2, 5), np.float32), True, False)
    ov.save_model(ov.Model([product], [image]), str(tmp_path / "graph.xml"))
    convolution, doubling, multiplying = 4 * 3 * 9 * 8 * 6, 4 * 2 * 4 * 8 * 6, 16 * 12 * 2 * 5
    assert operations(tmp_path / "graph.xml", (1, 3, 8, 6)) == 2 * (convolution + doubling + multiplying)
