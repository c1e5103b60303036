"""Dynamic correlation: kernels generated from a target, applied to the features of a frame.

One grouped form serves every tracker here. With ``groups = channels`` and 1x1 kernels it is GlobalTrack's
query modulation (paper, Eq. 1: the 7x7 convolution f_z turns the target's RoI feature into a 1x1
depth-wise kernel); with ``groups = 1`` it is a full dynamic convolution, as DMTrack generates them from the
average over the RoI feature. Several forms side by side: multi_kernel.py.
"""

import torch
from mmcv.cnn import build_activation_layer
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
    if kernels.shape[3:] == (1, 1) and groups == 1:
        return mix_channels(features, kernels[:, :, :, 0, 0])
    out = functional.conv2d(
        features.flatten(0, 1)[None],
        kernels.flatten(0, 1),
        padding=kernels.shape[-1] // 2,
        groups=pairs * groups,
    )
    return out[0].unflatten(0, (pairs, out_channels))


def mix_channels(features: Tensor, matrices: Tensor, bias: Tensor | None = None) -> Tensor:
    """A full 1x1 convolution a pair as matrix products: features (P, C, H, W), matrices (P, O, C).

    bias: (O,), or (P, 1, O) where each pair has its own. Returns (P, O, H, W).
    """
    cells = features.permute(0, 2, 3, 1).flatten(1, 2)  # (P, HW, C), no copy of channels-last maps
    transposed = matrices.transpose(1, 2)
    out = torch.bmm(cells, transposed) if bias is None else torch.baddbmm(bias, cells, transposed)
    return out.unflatten(1, features.shape[-2:]).permute(0, 3, 1, 2)


@MODELS.register_module()
class DynamicCorrelation(BaseModule):
    """Correlate feature maps with kernels generated from targets: f_out(act(f_x(x) * f_z(z))).

    Args:
        channels: channels of features in, and of f_out.
        kernel_channels: channels out of the dynamic kernel; default those into it.
        groups: groups of the dynamic convolution; default one a channel (depth-wise).
        kernel_size: size of the dynamic kernel, odd.
        roi_size: side of the target's RoI feature. f_z is a convolution of this size without padding.
        pooled: f_z is a 1x1 convolution instead, padded by one cell and averaged over all cells (official
            DMTrack: the ring, where it gives its bias, counts).
        project_search: whether f_x, a convolution, is there. GlobalTrack's paper has a 3x3 one, its official
            code none; DMTrack's encoder is a 1x1 one.
        search_size: size of f_x, odd; search_channels: its channels out, default ``channels``.
        project_out: whether f_out, a 1x1 convolution, is there; without it ``kernel_channels`` go out.
        act_cfg: activation behind the dynamic convolution; default none.
        plain_start: generated kernels start as those of an ordinary convolution (He et al., 2015), which
            targets then change, instead of near zero. Ours: for short trainings.

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
        pooled: bool = False,
        project_search: bool = False,
        search_size: int = 3,
        search_channels: int | None = None,
        project_out: bool = True,
        act_cfg: dict | None = None,
        plain_start: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        searched = (search_channels or channels) if project_search else channels
        kernel_channels = kernel_channels or searched
        self.groups = groups or searched
        if searched % self.groups or kernel_channels % self.groups or kernel_size % 2 == 0:
            raise InputError(
                'dynamic correlation needs channels divisible by groups and an odd kernel, got '
                f'{searched} and {kernel_channels} channels, {self.groups} groups, size {kernel_size}'
            )
        if search_channels is not None and not project_search:
            raise InputError('search_channels are those of f_x, which project_search=True puts there')
        self.kernel_shape = (kernel_channels, searched // self.groups, kernel_size, kernel_size)
        self.num_numbers = torch.Size(self.kernel_shape).numel()
        self.out_channels = channels if project_out else kernel_channels
        self.pooled, self.plain_start, self.folds_queries = pooled, plain_start, False
        self.kernel_conv = nn.Conv2d(channels, self.num_numbers, 1 if pooled else roi_size)
        self.search_conv = (
            nn.Conv2d(channels, searched, search_size, padding=search_size // 2) if project_search else None
        )
        self.activate = None if act_cfg is None else build_activation_layer(act_cfg)
        self.out_conv = nn.Conv2d(kernel_channels, channels, 1) if project_out else None

    def init_weights(self) -> None:
        super().init_weights()
        if self.plain_start:
            assert self.kernel_conv.bias is not None
            start = torch.empty(self.kernel_shape)
            nn.init.kaiming_normal_(start, nonlinearity='relu')
            self.kernel_conv.bias.data.copy_(start.flatten())

    def generate(self, targets: Tensor) -> Tensor:
        """Kernels (M, O, C / groups, k, k) of the targets' RoI features (M, C, roi_size, roi_size)."""
        if self.pooled:
            height, width = targets.shape[-2:]
            # the convolution is linear, so that the average comes first: one cell instead of 81
            targets = targets.sum((2, 3), keepdim=True) / ((height + 2) * (width + 2))
        return self.kernel_conv(targets).flatten(1).unflatten(1, self.kernel_shape)

    def encode(self, targets: Tensor) -> Tensor:
        """The same as (M, ``num_numbers``)."""
        return self.generate(targets).flatten(1)

    def search(self, features: Tensor, numbers: Tensor, frames: Tensor | None) -> Tensor:
        """Like ``forward_pairs``, with kernels as (P, ``num_numbers``)."""
        return self.forward_pairs(features, numbers.unflatten(1, self.kernel_shape), frames)

    def forward(self, features: Tensor, kernels: Tensor) -> Tensor:
        """features (N, C, H, W) and kernels of M targets to (N, M, out_channels, H, W)."""
        correlated = correlate(self._project(features), kernels, self.groups)
        return self._finish(correlated.flatten(0, 1)).unflatten(0, correlated.shape[:2])

    def forward_pairs(self, features: Tensor, kernels: Tensor, frames: Tensor | None) -> Tensor:
        """Target p sees frame ``frames[p]`` alone: features (N, C, H, W) to (P, out_channels, H, W).

        frames: None where there are P frames already, one a target.
        """
        projected, kernels = self._project(features), kernels.to(features.dtype)
        if frames is not None:
            one = len(projected) == 1
            projected = projected.expand(len(frames), -1, -1, -1) if one else projected[frames]
        if self._folds:
            return self._folded_pairs(projected, kernels)
        return self._finish(correlate_pairs(projected, kernels, self.groups))

    @property
    def _folds(self) -> bool:
        """Whether f_out goes into kernels that are one factor a channel, as GlobalTrack's are."""
        channel_wise = self.kernel_shape == (self.groups, 1, 1, 1)
        return self.folds_queries and channel_wise and self.activate is None and self.out_conv is not None

    def _folded_pairs(self, features: Tensor, kernels: Tensor) -> Tensor:
        """f_out(k * x) = (W_out diag(k)) x + b_out: one matrix a target instead of a pass over its map."""
        assert self.out_conv is not None
        matrices = self.out_conv.weight[:, :, 0, 0] * kernels.flatten(1)[:, None]
        return mix_channels(features, matrices, self.out_conv.bias)

    def _project(self, features: Tensor) -> Tensor:
        return features if self.search_conv is None else self.search_conv(features)

    def _finish(self, correlated: Tensor) -> Tensor:
        activated = correlated if self.activate is None else self.activate(correlated)
        return activated if self.out_conv is None else self.out_conv(activated)
