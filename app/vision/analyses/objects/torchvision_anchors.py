"""The anchors of torchvision's detectors, for MMDetection."""

import torch
from mmdet.core.anchor.anchor_generator import AnchorGenerator
from mmdet.core.anchor.builder import PRIOR_GENERATORS


@PRIOR_GENERATORS.register_module()
class TorchvisionAnchorGenerator(AnchorGenerator):
    """Anchors as torchvision's `AnchorGenerator` lays them out (models/detection/anchor_utils.py).

    Their corners are whole pixels. The distance between two is the input's size divided by the map's, rounded down: at
    the pooled fifth level of an input 800 pixels high 800 // 13 = 61 pixels, not 64.
    """

    def gen_single_level_base_anchors(self, *args: object, **kwargs: object) -> torch.Tensor:
        anchors: torch.Tensor = super().gen_single_level_base_anchors(*args, **kwargs)
        return anchors.round()

    def grid_priors(
        self,
        featmap_sizes: list[tuple[int, int]],
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cuda",
    ) -> list[torch.Tensor]:
        """(h * w * A, 4) anchors of each level. featmap_sizes: (h, w); the first times its stride is the input's."""
        across, down = self.strides[0]
        height, width = int(featmap_sizes[0][0]) * down, int(featmap_sizes[0][1]) * across
        return [
            self._grid(base.to(device, dtype), (int(h), int(w)), (height // int(h), width // int(w)))
            for base, (h, w) in zip(self.base_anchors, featmap_sizes, strict=True)
        ]

    @staticmethod
    def _grid(base: torch.Tensor, cells: tuple[int, int], strides: tuple[int, int]) -> torch.Tensor:
        y, x = (torch.arange(n, device=base.device) * stride for n, stride in zip(cells, strides, strict=True))
        y, x = torch.meshgrid(y, x, indexing="ij")
        shifts = torch.stack([x, y, x, y], dim=-1).to(base.dtype)
        return (shifts.reshape(-1, 1, 4) + base).reshape(-1, 4)
