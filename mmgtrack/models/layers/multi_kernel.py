"""Several dynamic correlations side by side, made from one target and integrated by a 1x1 convolution."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.models.layers.dynamic_correlation import DynamicCorrelation
from mmgtrack.registry import MODELS


@MODELS.register_module()
class MultiKernelCorrelation(BaseModule):
    """DMTrack's "multiple kernel designs and integration layers" (introduction): f_out of all branches.

    Args:
        channels: channels of features in and out.
        branches: a ``DynamicCorrelation`` config each, without channels: its groups, size, activation.
        shared: arguments that all branches have.

    The same methods as ``DynamicCorrelation`` with kernels as (P, ``num_numbers``), branch after branch.
    """

    def __init__(
        self,
        channels: int,
        branches: Sequence[dict[str, Any]],
        init_cfg: dict | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        if not branches:
            raise InputError('a multi-kernel correlation needs at least one branch, got none')
        options = {'project_out': False, **shared}
        self.branches: Sequence[DynamicCorrelation] = ModuleList(  # type: ignore[assignment]
            DynamicCorrelation(channels, **{**options, **branch}) for branch in branches
        )
        self.counts = [branch.num_numbers for branch in self.branches]
        self.num_numbers = sum(self.counts)
        self.out_channels = channels
        self.integrate = nn.Conv2d(sum(branch.out_channels for branch in self.branches), channels, 1)

    def encode(self, targets: Tensor) -> Tensor:
        """Kernels (M, ``num_numbers``) of the targets' RoI features (M, C, R, R)."""
        return torch.cat([branch.encode(targets) for branch in self.branches], dim=1)

    def search(self, features: Tensor, numbers: Tensor, frames: Tensor | None) -> Tensor:
        """Target p sees frame ``frames[p]`` alone: (N, C, H, W) to (P, C, H, W)."""
        parts = zip(self.branches, numbers.split(self.counts, dim=1), strict=True)
        return self.integrate(torch.cat([branch.search(features, part, frames) for branch, part in parts], 1))
