"""Corner head: two heat maps whose expectations are the corners of the box (section 3.1, Eq. 2)."""

import warnings
from dataclasses import dataclass
from itertools import pairwise

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.registry import MODELS


@dataclass(frozen=True)
class Corners:
    """One box a sample.

    boxes: (B, 4) xyxy in parts of the search region; x2 < x1 can happen in a model that is not trained.
    maps: (B, 2, H, W) logits of the upper left and lower right corner, None for heads without maps.
    """

    boxes: Tensor
    maps: Tensor | None = None


def soft_argmax(maps: Tensor, cell_offset: float) -> Tensor:
    """Boxes (B, 4) xyxy in parts of the map from corner logits (B, 2, H, W).

    A cell stands for the place (column + cell_offset, row + cell_offset). At least in single precision.
    """
    if maps.dtype in (torch.float16, torch.bfloat16):
        maps = maps.float()
    height, width = maps.shape[-2:]
    shares = maps.flatten(2).softmax(-1).unflatten(2, (height, width))
    columns = (torch.arange(width, device=maps.device, dtype=maps.dtype) + cell_offset) / width
    rows = (torch.arange(height, device=maps.device, dtype=maps.dtype) + cell_offset) / height
    # sums, because autocast would compute matrix products in half precision
    places = [(shares.sum(2) * columns).sum(2), (shares.sum(3) * rows).sum(2)]
    return torch.stack(places, dim=2).flatten(1)


def peak_score(maps: Tensor) -> Tensor:
    """(B,) in [0, 1]: how much of both corners' probability lies in the 3x3 cells around their peaks.

    mmgtrack's own score for models without a score head: the geometric mean over the two corners. The
    official models without one return none.
    """
    if maps.dtype in (torch.float16, torch.bfloat16):
        maps = maps.float()
    shares = maps.flatten(2).softmax(-1).view_as(maps)
    around = nn.functional.avg_pool2d(shares, 3, stride=1, padding=1, divisor_override=1)
    return around.flatten(2).amax(2).clamp(max=1).prod(1).sqrt()


@MODELS.register_module()
class CornerHead(BaseModule):
    """The search region's cells, weighted by their similarity to the target, through two towers.

    Args:
        in_channels: C of the cells and of the target.
        channels: width of the first layer; the following ones have 1/2, 1/4 and 1/8 of it.
        norm_cfg: norm behind each 3x3 convolution, which have a bias all the same (official code).
        cell_offset: see ``soft_argmax``; the official models take the cell's corner, 0, so that no
            coordinate exceeds (W - 1) / W.
    """

    def __init__(
        self,
        in_channels: int = 256,
        channels: int = 256,
        norm_cfg: dict | None = None,
        cell_offset: float = 0.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.cell_offset = cell_offset
        self.top_left = _tower(in_channels, channels, norm_cfg or dict(type='BN'))
        self.bottom_right = _tower(in_channels, channels, norm_cfg or dict(type='BN'))

    def forward(self, features: Tensor, targets: Tensor | None = None) -> Corners:
        """features: (B, C, H, W); targets: (B, C), None for a transformer without decoder."""
        if targets is not None:
            similarity = (features * targets[:, :, None, None]).sum(1, keepdim=True)  # a plain dot product
            features = features * similarity
        maps = torch.cat([self.top_left(features), self.bottom_right(features)], dim=1)
        return Corners(soft_argmax(maps, self.cell_offset), maps)


def _tower(in_channels: int, channels: int, norm_cfg: dict) -> nn.Sequential:
    if channels % 8:
        raise InputError(f'channels of a corner head must be a multiple of 8, got {channels}')
    widths = [in_channels, channels, channels // 2, channels // 4, channels // 8]
    with warnings.catch_warnings():
        # that a bias before a norm is in vain; official weights have one
        warnings.filterwarnings('ignore', message='Unnecessary conv bias', category=UserWarning)
        layers: list[nn.Module] = [
            ConvModule(narrow, wide, 3, padding=1, bias=True, norm_cfg=norm_cfg)
            for narrow, wide in pairwise(widths)
        ]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))
