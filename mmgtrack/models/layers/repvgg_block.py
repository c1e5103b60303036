"""RepVGG's block: three branches in training, one convolution afterwards (Ding et al., RepVGG, section 3)."""

from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn
from torch.nn import functional


class RepVGGBlock(nn.Module):
    """relu(norm(3x3 convolution) + norm(1x1 convolution) + norm(input)).

    Args:
        in_channels: channels in.
        out_channels: channels out.
        stride: of the convolutions; the third branch is there where neither it nor the channels change.
        norm_cfg: norm of each branch, default batch norm; its statistics must be fixed by the time
            ``switch_to_deploy`` is called.
        deploy: whether to start with the one convolution instead of the branches.

    Convolutions before a norm have no bias. Names are those of mmpretrain's RepVGG.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        norm_cfg: dict | None = None,
        deploy: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.branch_reparam: nn.Conv2d | None = None
        if deploy:
            self.branch_reparam = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1)
            return
        norm_cfg = norm_cfg or dict(type='BN')
        self.branch_3x3 = self._branch(3, stride, norm_cfg)
        self.branch_1x1 = self._branch(1, 1, norm_cfg)
        self.branch_norm: nn.Module | None = None
        if in_channels == out_channels and stride == 1:
            self.branch_norm = build_norm_layer(norm_cfg, out_channels)[1]

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H / stride, W / stride), rounded up."""
        if self.branch_reparam is not None:
            return self.branch_reparam(x).relu()
        # by slices and not by the convolution's stride: torch 2.13 writes past its memory in the backward
        # pass of a 1x1 convolution with stride 2 on channels-last images, on processors
        every = x[:, :, :: self.stride, :: self.stride]
        out = self.branch_3x3(x) + self.branch_1x1(every)
        if self.branch_norm is not None:
            out = out + self.branch_norm(x)
        return out.relu()

    @torch.no_grad()
    def switch_to_deploy(self) -> None:
        """Put the one convolution in the branches' place, with the norms' present statistics."""
        if self.branch_reparam is not None:
            return
        kernel, bias = self._single_kernel()
        conv = nn.Conv2d(self.in_channels, self.out_channels, 3, self.stride, padding=1)
        conv.weight, conv.bias = nn.Parameter(kernel), nn.Parameter(bias)
        del self.branch_3x3, self.branch_1x1, self.branch_norm
        self.branch_reparam = conv

    def _branch(self, kernel_size: int, stride: int, norm_cfg: dict) -> nn.Sequential:
        branch = nn.Sequential()
        branch.conv = nn.Conv2d(
            self.in_channels,
            self.out_channels,
            kernel_size,
            stride,
            padding=kernel_size // 2,
            bias=False,
        )
        branch.norm = build_norm_layer(norm_cfg, self.out_channels)[1]
        return branch

    def _single_kernel(self) -> tuple[Tensor, Tensor]:
        """Kernel (out, in, 3, 3) and bias (out,) that do what the branches do in evaluation mode."""
        kernel, bias = _fold_branch(self.branch_3x3)
        centre, centre_bias = _fold_branch(self.branch_1x1)
        if self.branch_norm is not None:
            unit = torch.eye(self.in_channels).to(kernel)[:, :, None, None]
            unit, unit_bias = _fold_norm(unit, self.branch_norm)
            centre, centre_bias = centre + unit, centre_bias + unit_bias
        return kernel + functional.pad(centre, [1, 1, 1, 1]), bias + centre_bias


def switch_to_deploy(module: nn.Module) -> None:
    """Every RepVGG block inside becomes one convolution, in place."""
    for part in list(module.modules()):
        if isinstance(part, RepVGGBlock):
            part.switch_to_deploy()


def _fold_branch(branch: Any) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution and its norm."""
    if branch.conv.bias is not None:  # mmcv's fuse_conv_bn has been here
        return branch.conv.weight, branch.conv.bias
    return _fold_norm(branch.conv.weight, branch.norm)


def _fold_norm(kernel: Tensor, norm: Any) -> tuple[Tensor, Tensor]:
    """Kernel (out, in, k, k) of a convolution without bias, and then the norm: kernel and bias of both."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return kernel * scale[:, None, None, None], norm.bias - norm.running_mean * scale
