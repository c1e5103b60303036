"""Target guidance: a detector's feature map is told which object to detect (section 3.2, Fig. 1b)."""

import torch
from mmcv.ops import roi_align
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.models.layers.dynamic_correlation import mix_channels
from mmgtrack.registry import MODELS


@MODELS.register_module()
class TargetGuidance(BaseModule):
    """One level's module: a 1x1 convolution of the map, the map times a modulator, and the modulator itself.

    A modulator is one number a channel, made of the target's RoI feature by a convolution of its whole size
    (GlobalTrack, by the same first author, has the same). As the modulator is constant over the map, the 1x1
    convolution W = [W1, W2, W3] of the three maps is a target's own 1x1 convolution of one, which is what is
    computed: (W1 + W2 diag(m)) x + (W3 m + b).

    Args:
        in_channels: C, channels of the level in and out.
        pooled_size: side k of the target's RoI feature.

    The start is the identity, [I, 0, 0]: what the detector has learnt is there at the first step. The
    modulator starts as GlobalTrack's, normal with standard deviation 0.01 (official code).
    """

    def __init__(self, in_channels: int, pooled_size: int = 7, init_cfg: dict | None = None) -> None:
        if not (isinstance(pooled_size, int) and pooled_size >= 1):
            raise InputError(f'pooled_size must be a whole number >= 1, got {pooled_size!r}')
        override = dict(name='modulator')
        super().__init__(init_cfg or dict(type='Normal', layer=[], std=0.01, override=override))
        self.in_channels, self.pooled_size = in_channels, pooled_size
        self.modulator = nn.Conv2d(in_channels, in_channels, pooled_size)
        self.merge = nn.Conv2d(3 * in_channels, in_channels, 1)
        for parameter in self.merge.parameters():
            nn.init.zeros_(parameter)
        nn.init.eye_(self.merge.weight.data[:, :in_channels, 0, 0])

    def pool(self, maps: Tensor, boxes: Tensor, stride: float) -> Tensor:
        """RoI features (B, C, k, k) of boxes (B, 4) xyxy exemplar pixels, one in each of B maps (B, C, h, w).

        Two samples a bin along each axis, interpolated, however small the box. Boxes are not rounded to half
        precision: the features are at least float32.
        """
        precise = torch.promote_types(maps.dtype, torch.float32)
        numbers = torch.arange(len(boxes), dtype=precise, device=maps.device)
        rois = torch.cat([numbers[:, None], boxes.to(precise)], dim=1)
        return roi_align(maps.to(precise), rois, self.pooled_size, 1 / stride, 2, 'avg', True)

    def modulator_of(self, pooled: Tensor) -> Tensor:
        """Modulators (M, C) of the targets' RoI features (M, C, k, k)."""
        return self.modulator(pooled).flatten(1)

    def forward(self, search: Tensor, modulators: Tensor) -> Tensor:
        """Every frame with every target: search (N, C, H, W), modulators (M, C) to (N, M, C, H, W)."""
        matrices, biases = self._kernels(modulators)
        guided = functional.conv2d(search, matrices.flatten(0, 1)[..., None, None], biases.flatten())
        return guided.unflatten(1, modulators.shape)

    def guide(self, search: Tensor, modulators: Tensor) -> Tensor:
        """Window m with target m: search (M, C, H, W), modulators (M, C) to (M, C, H, W)."""
        matrices, biases = self._kernels(modulators)
        return mix_channels(search, matrices, biases[:, None])

    def _kernels(self, modulators: Tensor) -> tuple[Tensor, Tensor]:
        """Matrices (M, C, C) and biases (M, C) of the targets' 1x1 convolutions."""
        plain, modulated, constant = self.merge.weight[:, :, 0, 0].chunk(3, dim=1)
        return (
            plain + modulated * modulators[:, None],
            functional.linear(modulators, constant, self.merge.bias),
        )
