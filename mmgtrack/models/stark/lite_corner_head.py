"""The corner head of STARK-Lightning: one small tower for both corners."""

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmgtrack.models.layers.repvgg_block import RepVGGBlock, switch_to_deploy
from mmgtrack.models.stark.corner_head import Corners, soft_argmax
from mmgtrack.registry import MODELS

_CELL_CENTRE = 0.5  # official code: unlike in the big models a cell stands for its middle


@MODELS.register_module()
class LiteCornerHead(BaseModule):
    """Two RepVGG blocks and a 3x3 convolution to one map a corner.

    Args:
        channels: C of the cells and of the blocks.
        deploy: whether the blocks start as one convolution each (see ``switch_to_deploy``).
    """

    def __init__(self, channels: int = 128, deploy: bool = False, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.tower = nn.Sequential(
            RepVGGBlock(channels, channels, deploy=deploy),
            RepVGGBlock(channels, channels, deploy=deploy),
            nn.Conv2d(channels, 2, 3, padding=1),
        )

    def forward(self, features: Tensor, targets: Tensor | None = None) -> Corners:
        """features: (B, C, H, W); targets: not looked at, the transformer decodes none."""
        maps = self.tower(features)
        return Corners(soft_argmax(maps, _CELL_CENTRE), maps)

    def switch_to_deploy(self) -> None:
        """Every block becomes one convolution, in place: same maps in evaluation mode, less work."""
        switch_to_deploy(self)
