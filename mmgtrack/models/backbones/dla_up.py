"""DLA whose maps are merged upwards by deformable convolutions (Zhou et al., Objects as Points, 2019)."""

from collections.abc import Sequence

import torch
from mmcv.cnn import build_conv_layer, build_norm_layer
from mmcv.ops import ModulatedDeformConv2dPack
from mmcv.ops.modulated_deform_conv import modulated_deform_conv2d
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmgtrack.models.backbones.dla import keep_statistics
from mmgtrack.registry import MODELS


@MODELS.register_module()
class DLAUpNet(BaseModule):
    """A backbone whose finer maps have been given what its coarser ones know.

    Args:
        base: config of the backbone; each map that it returns has half the resolution of the one before.
        in_channels: of these maps, finest first.
        conv_cfg: of the merging 3x3 convolutions, default modulated deformable ones; dict(type='Conv2d')
            takes ordinary ones.
        norm_cfg: of their norms, default batch norm.
        norm_eval: whether all norms, also those of ``base``, keep their statistics while training.
        init_cfg: of ``base``, such as its ImageNet weights; what merges starts as its authors' does.

    Parameters have the names of the published detector; its ``ida_up``, never called, is not here.
    """

    def __init__(
        self,
        base: dict,
        in_channels: Sequence[int] = (128, 256, 512),
        conv_cfg: dict | None = None,
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__()
        self.norm_eval = norm_eval
        self.base = MODELS.build(dict(base, init_cfg=init_cfg))
        self.dla_up = DLAUp(in_channels, conv_cfg or dict(type='mmgtrack.DCNv2'), norm_cfg or dict(type='BN'))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) to a map of each of the base's maps, of the same shape."""
        return self.dla_up(self.base(images))

    def train(self, mode: bool = True) -> 'DLAUpNet':
        """With ``norm_eval`` all norms keep their statistics."""
        super().train(mode)
        if self.norm_eval:
            keep_statistics(self)
        return self


class DLAUp(BaseModule):
    """From the coarsest map but one to the finest, each takes up all coarser ones."""

    def __init__(self, in_channels: Sequence[int], conv_cfg: dict, norm_cfg: dict) -> None:
        super().__init__()
        channels = list(in_channels)
        for number, finest in enumerate(reversed(range(len(channels) - 1))):
            width = channels[finest]
            coarser = channels[finest + 1 :]
            self.add_module(f'ida_{number}', IterativeUp(coarser, width, conv_cfg, norm_cfg))
            channels[finest + 1 :] = [width] * len(coarser)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps, finest first, to as many of the same shapes; the coarsest one stays as it is."""
        last = len(maps) - 1
        current, merged = list(maps), [maps[last]]
        for number, finest in enumerate(reversed(range(last))):
            current[finest + 1 :] = self.get_submodule(f'ida_{number}')(current[finest:])
            merged.insert(0, current[last])
        return tuple(merged)


class IterativeUp(BaseModule):
    """Adds coarser maps to a fine one, one after the other (iterative deep aggregation).

    Args:
        in_channels: of the coarser maps, each of which has half the resolution of the fine one.
        channels: of the fine map, and of what comes out.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, conv_cfg: dict, norm_cfg: dict) -> None:
        super().__init__()
        for number, width in enumerate(in_channels, start=1):
            self.add_module(f'proj_{number}', MergingConv(width, channels, conv_cfg, norm_cfg))
            self.add_module(f'up_{number}', bilinear_up(channels))
            self.add_module(f'node_{number}', MergingConv(channels, channels, conv_cfg, norm_cfg))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The fine map (B, channels, H, W) and the coarser ones to the sums (B, channels, H, W) so far."""
        merged, sums = maps[0], []
        for number, coarse in enumerate(maps[1:], start=1):
            project, up, node = (self.get_submodule(f'{part}_{number}') for part in ('proj', 'up', 'node'))
            merged = node(up(project(coarse)) + merged)
            sums.append(merged)
        return sums


class MergingConv(BaseModule):
    """3x3 convolution with bias, norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, conv_cfg: dict, norm_cfg: dict) -> None:
        super().__init__()
        self.conv = build_conv_layer(conv_cfg, in_channels, out_channels, 3, padding=1, bias=True)
        self.actf = nn.Sequential(build_norm_layer(norm_cfg, out_channels)[1], nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W)."""
        return self.actf(self.conv(x))


@MODELS.register_module('DCNv2')
class DeformConv(ModulatedDeformConv2dPack):
    """mmcv's modulated deformable convolution for maps of any memory layout.

    The compiled operator reads memory as if it were contiguous, whatever the strides say.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H', W')."""
        taps = self.weight.shape[2:].numel() * self.deform_groups
        offset, mask = self.conv_offset(x).split([2 * taps, taps], dim=1)
        return modulated_deform_conv2d(
            x.contiguous(),
            offset.contiguous(),
            mask.sigmoid().contiguous(),
            self.weight.contiguous(),
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.deform_groups,
        )


def bilinear_up(channels: int) -> nn.ConvTranspose2d:
    """Doubles the resolution, channel by channel; learned, bilinear interpolation to begin with."""
    up = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, groups=channels, bias=False)
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        up.weight.copy_(line[:, None] * line)
    return up
