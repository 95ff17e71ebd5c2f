"""The networks of backbones and classifiers: residual networks and EfficientNet-Lite."""

import math

import openvino as ov

from app.vision.engine.layers import Layers, add, pool, relu, relu6

# EfficientNet-Lite's variants (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite): the
# side of the photos that it was trained on, which decides its padding, and how many times Lite0's blocks it has.
LITE = {"efficientnet-lite0": (224, 1.0), "efficientnet-lite1": (240, 1.1), "efficientnet-lite2": (260, 1.2)}
# Lite0's stages: blocks, and the stride of the first. The first and the last stage are those of all variants.
LITE_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
# The epsilon of its norms: TensorFlow's.
LITE_EPSILON = 1e-3


def resnet(layers: Layers, x: ov.Output, prefix: str, epsilon: float, *, caffe: bool = False) -> list[ov.Output]:
    """ResNet or ResNeXt of any depth: the features of its four stages, at strides 4 to 32.

    prefix: of its weights' names; caffe: whether bottlenecks halve the size in their first convolution, not in that of
    3 x 3.
    """
    x = relu(layers.convolution(x, f"{prefix}conv1", f"{prefix}bn1", epsilon, stride=2))
    x = pool(x, 3, 2, 1)
    features = []
    for stage in range(1, 5):
        for block in range(layers.count(f"{prefix}layer{stage}.{{}}.conv1.weight")):
            stride = 2 if stage > 1 and block == 0 else 1
            x = _residual(layers, x, f"{prefix}layer{stage}.{block}.", epsilon, stride, caffe)
        features.append(x)
    return features


def _residual(layers: Layers, x: ov.Output, name: str, epsilon: float, stride: int, caffe: bool) -> ov.Output:
    """A block of two convolutions or, as a bottleneck, of three."""
    last = 3 if f"{name}conv3.weight" in layers else 2
    halving = 2 if last == 3 and not caffe else 1
    y = x
    for number in range(1, last + 1):
        step, norm = stride if number == halving else 1, f"{name}bn{number}"
        y = layers.convolution(y, f"{name}conv{number}", norm, epsilon, stride=step, grouped=number == 2)
        y = relu(y) if number < last else y
    if f"{name}downsample.0.weight" in layers:
        x = layers.convolution(x, f"{name}downsample.0", f"{name}downsample.1", epsilon, stride=stride)
    return relu(add(y, x))


class EfficientNetLite:
    """EfficientNet-Lite, block by block, with its padding: TensorFlow's, for photos of the side that it was trained on.

    variant: a key of `LITE`; epsilon: of its norms.
    """

    def __init__(self, layers: Layers, variant: str, epsilon: float = LITE_EPSILON):
        self._layers, self._epsilon = layers, epsilon
        self._side, self._factor = LITE[variant]

    def features(self, x: ov.Output, stem: tuple[str, str], blocks: str, count: int | None = None) -> list[ov.Output]:
        """The features of every block, or of the first `count`.

        stem: names of its convolution and norm; blocks: what comes before the number in the names of blocks.
        """
        x = relu6(self._padded(x, *stem, stride=2))
        features = []
        for block, stride in enumerate(self._strides()[:count]):
            x = self._block(x, f"{blocks}{block}.", stride)
            features.append(x)
        return features

    def _strides(self) -> list[int]:
        """Of each block."""
        counts = [math.ceil(blocks * self._factor) for blocks, _ in LITE_STAGES]
        counts[0], counts[-1] = LITE_STAGES[0][0], LITE_STAGES[-1][0]
        return [
            stride if block == 0 else 1
            for count, (_, stride) in zip(counts, LITE_STAGES, strict=True)
            for block in range(count)
        ]

    def _block(self, x: ov.Output, name: str, stride: int) -> ov.Output:
        """An inverted residual block: expand (except in the first block), depthwise convolution, project."""
        y = x
        if f"{name}_expand_conv.weight" in self._layers:
            y = relu6(self._layers.convolution(y, f"{name}_expand_conv", f"{name}_bn0", self._epsilon))
        y = relu6(self._padded(y, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride, grouped=True))
        y = self._layers.convolution(y, f"{name}_project_conv", f"{name}_bn2", self._epsilon)
        same = stride == 1 and y.get_partial_shape()[1] == x.get_partial_shape()[1]
        return add(y, x) if same else y

    def _padded(self, x: ov.Output, name: str, norm: str, *, stride: int, grouped: bool = False) -> ov.Output:
        window, after = self._layers.shape(f"{name}.weight")[-1], math.ceil(self._side / stride)
        padding = max((after - 1) * stride + window - self._side, 0)
        self._side = after
        both = padding // 2, padding - padding // 2
        return self._layers.convolution(x, name, norm, self._epsilon, stride=stride, padding=both, grouped=grouped)
