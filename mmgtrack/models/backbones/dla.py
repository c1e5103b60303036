"""DLA (Yu et al., Deep Layer Aggregation, CVPR 2018), with the names of its authors' weights."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmdet.models.backbones.resnet import BasicBlock
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmgtrack.errors import InputError
from mmgtrack.registry import MODELS

_STEM = 2  # levels in front of the trees: level0 at full resolution, level1 at half


@MODELS.register_module()
class DLA(BaseModule):
    """Blocks aggregated by trees, each of which halves the resolution. The default is DLA-34.

    Args:
        channels: of level0, level1 and the tree of each further level.
        depths: of the trees; one of depth d has 2^d blocks.
        out_indices: levels whose maps are returned.
        frozen_stages: 0: what stands before the trees does not learn, k: nor do k trees; -1: all learn.
        norm_eval: whether norms keep their statistics while training.
        norm_cfg: of every norm, default batch norm.

    The authors build a projection beside each tree whose outcome a deeper tree throws away, and load a
    classifier; neither is here.
    """

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 64, 128, 256, 512),
        depths: Sequence[int] = (1, 2, 2, 1),
        out_indices: Sequence[int] = (2, 3, 4, 5),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or _FROM_NOTHING)
        levels = len(channels)
        if levels != _STEM + len(depths) or not all(0 <= i < levels for i in out_indices):
            raise InputError(
                f'DLA of {len(depths)} trees needs {_STEM + len(depths)} channels and out_indices below '
                f'that, got {list(channels)} and {list(out_indices)}'
            )
        if not -1 <= frozen_stages <= len(depths):
            raise InputError(f'frozen_stages must be -1 to {len(depths)}, got {frozen_stages}')
        self.channels, self.out_indices = tuple(channels), tuple(out_indices)
        self.frozen_stages, self.norm_eval = frozen_stages, norm_eval
        norm_cfg = norm_cfg or dict(type='BN')
        self.base_layer = conv_block(3, channels[0], norm_cfg, kernel_size=7)
        self.level0 = conv_block(channels[0], channels[0], norm_cfg, kernel_size=3)
        self.level1 = conv_block(channels[0], channels[1], norm_cfg, kernel_size=3, stride=2)
        trees = zip(depths, pairwise(channels[1:]), strict=True)
        for level, (depth, (narrow, wide)) in enumerate(trees, start=_STEM):
            # the first tree's root does not see what comes in
            tree = Tree(depth, narrow, wide, norm_cfg, stride=2, passes_input=level > _STEM)
            self.add_module(f'level{level}', tree)
        self._freeze()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) to a map (B, channels[i], H / 2^i, W / 2^i) for each level i of out_indices.

        H and W must be multiples of 2^i for the last level i.
        """
        x = self.base_layer(images)
        maps = []
        for level in range(len(self.channels)):
            x = self.get_submodule(f'level{level}')(x)
            maps.append(x)
        return tuple(maps[i] for i in self.out_indices)

    def train(self, mode: bool = True) -> 'DLA':
        """Frozen stages, and with ``norm_eval`` all norms, keep their statistics."""
        super().train(mode)
        self._freeze()
        if self.norm_eval:
            keep_statistics(self)
        return self

    def _freeze(self) -> None:
        frozen = ['base_layer', *(f'level{level}' for level in range(_STEM + self.frozen_stages))]
        for name in frozen if self.frozen_stages >= 0 else ():
            self.get_submodule(name).eval().requires_grad_(False)


class Tree(BaseModule):
    """Two blocks, or two smaller trees, and a root that joins what they and others found.

    Args:
        depth: 1: blocks, else trees of one less.
        stride: of the first block; what comes in is pooled by it for the root and the shortcut.
        passes_input: whether the root also sees what comes in.
        passed_channels: of all maps that are handed to the root from outside.
    """

    def __init__(
        self,
        depth: int,
        in_channels: int,
        out_channels: int,
        norm_cfg: dict,
        stride: int = 1,
        passes_input: bool = False,
        passed_channels: int = 0,
    ) -> None:
        super().__init__()
        self.depth, self.passes_input = depth, passes_input
        passed_channels += in_channels * passes_input
        self.pool = nn.MaxPool2d(stride) if stride > 1 else nn.Identity()
        if depth == 1:
            self.tree1 = Block(in_channels, out_channels, stride, norm_cfg=norm_cfg)
            self.tree2 = Block(out_channels, out_channels, norm_cfg=norm_cfg)
            self.root = Root(2 * out_channels + passed_channels, out_channels, norm_cfg)
            self.project: nn.Module = nn.Identity()
            if in_channels != out_channels:
                self.project = conv_block(in_channels, out_channels, norm_cfg, kernel_size=1)[:2]
        else:
            self.tree1 = Tree(depth - 1, in_channels, out_channels, norm_cfg, stride)
            passed_channels += out_channels
            self.tree2 = Tree(
                depth - 1, out_channels, out_channels, norm_cfg, passed_channels=passed_channels
            )

    def forward(self, x: Tensor, passed: Sequence[Tensor] = ()) -> Tensor:
        """x (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride).

        passed: maps of that size for the root.
        """
        pooled = self.pool(x)
        if self.passes_input:
            passed = (*passed, pooled)
        if self.depth > 1:
            first = self.tree1(x)
            return self.tree2(first, (*passed, first))
        first = self.tree1(x, self.project(pooled))
        return self.root([self.tree2(first, first), first, *passed])


class Block(BasicBlock):
    """mmdet's residual block of two 3x3 convolutions, whose shortcut is given."""

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """x (B, in_channels, H, W) and the shortcut to a map of the shortcut's shape."""
        out = self.relu(self.norm1(self.conv1(x)))
        return self.relu(self.norm2(self.conv2(out)) + shortcut)


class Root(BaseModule):
    """Joins maps of one size by a 1x1 convolution."""

    def __init__(self, in_channels: int, out_channels: int, norm_cfg: dict) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = build_norm_layer(norm_cfg, out_channels)[1]
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_i, H, W) with the C_i adding up to in_channels to (B, out_channels, H, W)."""
        return self.relu(self.bn(self.conv(torch.cat(list(maps), dim=1))))


def conv_block(
    in_channels: int, out_channels: int, norm_cfg: dict, kernel_size: int, stride: int = 1
) -> nn.Sequential:
    """Convolution without bias, norm, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return nn.Sequential(conv, build_norm_layer(norm_cfg, out_channels)[1], nn.ReLU(inplace=True))


def keep_statistics(module: nn.Module) -> None:
    """Batch norms below the module use the statistics that they have."""
    for child in module.modules():
        if isinstance(child, _BatchNorm):
            child.eval()


_FROM_NOTHING: list[dict[str, Any]] = [
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
]
