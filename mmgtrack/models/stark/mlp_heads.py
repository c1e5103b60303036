"""Heads that read the decoded query alone: is the target there, and where (Table 7 #4)."""

from mmdet.models.layers import MLP
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from torch import Tensor

from mmgtrack.models.stark.corner_head import Corners
from mmgtrack.registry import MODELS


@MODELS.register_module()
class ScoreHead(MLP):
    """Three linear layers with ReLU between them: whether the target is there (section 3.2).

    Args:
        embed_dims: width of the decoded query and of the hidden layers.
        num_layers: number of linear layers.
    """

    def __init__(self, embed_dims: int = 256, num_layers: int = 3) -> None:
        super().__init__(embed_dims, embed_dims, 1, num_layers)

    def forward(self, targets: Tensor) -> Tensor:
        """Logits (B, Q) of decoded queries (B, Q, C)."""
        return super().forward(targets).squeeze(-1)


@MODELS.register_module()
class MLPBoxHead(MLP):
    """The box from the decoded query, as in DETR: centre and size through a sigmoid.

    Args:
        embed_dims: width of the decoded query and of the hidden layers.
        num_layers: number of linear layers.
    """

    def __init__(self, embed_dims: int = 256, num_layers: int = 3) -> None:
        super().__init__(embed_dims, embed_dims, 4, num_layers)

    def forward(self, features: Tensor, targets: Tensor) -> Corners:
        """targets: (B, C); the features of the search region are not looked at."""
        return Corners(bbox_cxcywh_to_xyxy(super().forward(targets).sigmoid()))
