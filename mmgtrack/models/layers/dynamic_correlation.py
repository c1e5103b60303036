"""Dynamic correlation: kernels generated from a target, applied to the features of a frame.

One grouped form serves every tracker here. With ``groups = channels`` and 1x1 kernels it is GlobalTrack's
query modulation (paper, Eq. 1: the 7x7 convolution f_z turns the target's RoI feature into a 1x1
depth-wise kernel); with ``groups = 1`` it is a full dynamic convolution.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.registry import MODELS


def correlate(features: Tensor, kernels: Tensor, groups: int) -> Tensor:
    """Every frame with every target's kernel, in one convolution.

    features: (N, C, H, W); kernels: (M, O, C / groups, k, k), k odd. Returns (N, M, O, H, W), zero padded.
    """
    num_targets, out_channels = kernels.shape[:2]
    if kernels.shape[2:] == (1, 1, 1) and groups == out_channels == features.shape[1]:
        return features[:, None] * kernels[None, :, :, 0]
    # a grouped convolution wants its outputs ordered by group first, targets second
    weight = kernels.unflatten(1, (groups, -1)).transpose(0, 1).flatten(0, 2)
    out = functional.conv2d(features, weight, padding=kernels.shape[-1] // 2, groups=groups)
    out = out.unflatten(1, (groups, num_targets, -1)).transpose(1, 2)
    return out.flatten(2, 3)


def correlate_pairs(features: Tensor, kernels: Tensor, groups: int) -> Tensor:
    """The p-th frame with the p-th kernel only.

    features: (P, C, H, W); kernels: (P, O, C / groups, k, k), k odd. Returns (P, O, H, W), zero padded.
    """
    pairs, out_channels = kernels.shape[:2]
    if kernels.shape[2:] == (1, 1, 1) and groups == out_channels == features.shape[1]:
        return features * kernels[:, :, 0]
    out = functional.conv2d(
        features.flatten(0, 1)[None],
        kernels.flatten(0, 1),
        padding=kernels.shape[-1] // 2,
        groups=pairs * groups,
    )
    return out[0].unflatten(0, (pairs, out_channels))


@MODELS.register_module()
class DynamicCorrelation(BaseModule):
    """Correlate feature maps with kernels generated from targets: f_out(f_x(x) * f_z(z)).

    Args:
        channels: channels of features in, and of features out.
        kernel_channels: channels between the dynamic kernel and f_out; default ``channels``.
        groups: groups of the dynamic convolution; default one a channel (depth-wise).
        kernel_size: size of the dynamic kernel, odd.
        roi_size: side of the target's RoI feature; f_z is a convolution of this size without padding.
        project_search: whether f_x, a 3x3 convolution, is there. The paper has it, the official
            GlobalTrack code does not.

    Initialisation follows the official code: normal, standard deviation 0.01, bias 0. Set ``folds_queries``
    for inference: f_out is then multiplied into each target's kernel.
    """

    def __init__(
        self,
        channels: int,
        kernel_channels: int | None = None,
        groups: int | None = None,
        kernel_size: int = 1,
        roi_size: int = 7,
        project_search: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        kernel_channels = kernel_channels or channels
        self.groups = groups or channels
        if channels % self.groups or kernel_channels % self.groups or kernel_size % 2 == 0:
            raise InputError(
                'dynamic correlation needs channels divisible by groups and an odd kernel, got '
                f'{channels} and {kernel_channels} channels, {self.groups} groups, size {kernel_size}'
            )
        self.kernel_shape = (kernel_channels, channels // self.groups, kernel_size, kernel_size)
        self.folds_queries = False
        numbers = torch.Size(self.kernel_shape).numel()
        self.kernel_conv = nn.Conv2d(channels, numbers, roi_size)
        self.search_conv = nn.Conv2d(channels, channels, 3, padding=1) if project_search else None
        self.out_conv = nn.Conv2d(kernel_channels, channels, 1)

    def generate(self, targets: Tensor) -> Tensor:
        """Kernels (M, O, C / groups, k, k) of the targets' RoI features (M, C, roi_size, roi_size)."""
        return self.kernel_conv(targets).flatten(1).unflatten(1, self.kernel_shape)

    def forward(self, features: Tensor, kernels: Tensor) -> Tensor:
        """features (N, C, H, W) and kernels of M targets to (N, M, C, H, W)."""
        correlated = correlate(self._project(features), kernels, self.groups)
        out = self.out_conv(correlated.flatten(0, 1))
        return out.unflatten(0, correlated.shape[:2])

    def forward_pairs(self, features: Tensor, kernels: Tensor, frames: Tensor) -> Tensor:
        """Target p sees frame ``frames[p]`` alone: features (N, C, H, W) to (P, C, H, W)."""
        projected, kernels = self._project(features), kernels.to(features.dtype)
        if self.folds_queries and self._is_channel_wise:
            return self._folded_pairs(projected, kernels, frames)
        return self.out_conv(correlate_pairs(projected[frames], kernels, self.groups))

    @property
    def _is_channel_wise(self) -> bool:
        """Whether a kernel is one factor a channel, as GlobalTrack's are."""
        return self.kernel_shape == (self.groups, 1, 1, 1)

    def _folded_pairs(self, features: Tensor, kernels: Tensor, frames: Tensor) -> Tensor:
        """f_out(k * x) = (W_out diag(k)) x + b_out: one matrix a target instead of a pass over its map."""
        matrices = self.out_conv.weight[:, :, 0, 0] * kernels.flatten(1)[:, None]
        cells = features.permute(0, 2, 3, 1).flatten(1, 2)  # (N, HW, C), no copy of channels-last maps
        cells = cells.expand(len(frames), -1, -1) if len(cells) == 1 else cells[frames]
        assert self.out_conv.bias is not None
        out = torch.baddbmm(self.out_conv.bias, cells, matrices.transpose(1, 2))
        return out.unflatten(1, features.shape[-2:]).permute(0, 3, 1, 2)

    def _project(self, features: Tensor) -> Tensor:
        return features if self.search_conv is None else self.search_conv(features)
