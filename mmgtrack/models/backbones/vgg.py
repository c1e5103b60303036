"""mmcv's VGG as a backbone: mmdet has only the one that SSD made of it."""

from typing import Any

import mmcv.cnn
from mmengine.model import BaseModule
from torch import Tensor

from mmgtrack.registry import MODELS


@MODELS.register_module()
class VGG(mmcv.cnn.VGG, BaseModule):
    """VGG (Simonyan & Zisserman) without fully connected layers and the last pooling: strides up to 16.

    Args:
        depth: 11, 13, 16 or 19.
        out_indices: stages whose maps are returned; those below 4 end in their pooling, stage 4 is conv5_3
            for depth 16: 512 channels, stride 16.
        frozen_stages: stages that do not learn, counted from the first.

    Names of weights are torchvision's (``features.0.weight``).
    """

    def __init__(
        self,
        depth: int = 16,
        out_indices: tuple[int, ...] = (4,),
        frozen_stages: int = -1,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(depth, out_indices=out_indices, frozen_stages=frozen_stages, with_last_pool=False)
        self.init_cfg = init_cfg or dict(type='Kaiming', layer='Conv2d')
        self.train()  # mmcv freezes stages here only

    def init_weights(self, pretrained: str | None = None) -> None:
        """By ``init_cfg``, as any BaseModule's; mmcv's own knows files only. pretrained: not used."""
        BaseModule.init_weights(self)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) to a map for each of ``out_indices``."""
        maps: Any = super().forward(images)
        return maps if isinstance(maps, tuple) else (maps,)

    def train(self, mode: bool = True) -> 'VGG':
        """mmcv's returns nothing."""
        super().train(mode)
        return self
