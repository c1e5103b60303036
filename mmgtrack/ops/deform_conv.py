"""Deformable convolution, versions 1 and 2 (Dai et al., 2017; Zhu et al., 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from mmgtrack.errors import InputError

from ._precision import working_precision
from .bilinear import zero_padded_taps
from .row_sum import uniform_starts, weighted_row_sum

Pair = tuple[int, int]


def deform_conv2d(
    inputs: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    deform_groups: int = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Convolution whose kernel positions are moved by `offset` and, with `mask`, weighted.

    Differentiable in all float inputs. The gradient in an offset at an integer position is the
    right-hand derivative, and zero exactly at the border, as in mmcv (not as in torchvision).

    Args:
        inputs: (N, C, H, W) float.
        offset: (N, 2 * kh * kw * deform_groups, H', W') in cells: per group and kernel position
            (row-major) first dy, then dx.
        weight: (O, C / groups, kh, kw); bias: (O,) or None.
        stride, padding, dilation: along (height, width).
        groups: groups of the convolution; deform_groups: groups of channels that share offsets.
        mask: (N, kh * kw * deform_groups, H', W') factors (version 2), or None (version 1).

    Returns:
        (N, O, H', W') of the inputs' dtype.

    Raises:
        InputError: `offset` or `mask` does not have the shape that the other arguments ask for.
    """
    dtype = working_precision(inputs)
    positions = _positions(offset.to(dtype), inputs, weight, stride, padding, dilation, deform_groups)
    taps, height, width = positions[0].shape[2:]
    factors = None
    if mask is not None:
        expected = (len(inputs), deform_groups * taps, height, width)
        if tuple(mask.shape) != expected:
            raise InputError(f'mask must be {expected}, got {tuple(mask.shape)}')
        factors = mask.to(dtype).view_as(positions[0])
    samples = _samples(inputs.to(dtype), *positions, factors)
    out = _mixed(samples, weight.to(dtype), groups).unflatten(1, (height, width)).permute(0, 3, 1, 2)
    if bias is not None:
        out = out + bias.to(dtype)[:, None, None]
    return out.to(inputs.dtype)


def _positions(
    offset: Tensor,
    inputs: Tensor,
    weight: Tensor,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    deform_groups: int,
) -> tuple[Tensor, Tensor]:
    """(N, deform_groups, kh * kw, H', W') y and x in cells of every sample."""
    kernel = (weight.shape[2], weight.shape[3])
    axes = [
        _axis_grid(inputs.shape[2 + dim], kernel[dim], stride[dim], padding[dim], dilation[dim], offset)
        for dim in range(2)
    ]
    size = (axes[0].shape[1], axes[1].shape[1])
    expected = (len(inputs), 2 * kernel[0] * kernel[1] * deform_groups, *size)
    if tuple(offset.shape) != expected:
        raise InputError(f'offset must be {expected}, got {tuple(offset.shape)}')
    moved = offset.view(len(inputs), deform_groups, *kernel, 2, *size)
    y = moved[:, :, :, :, 0] + axes[0][:, None, :, None]
    x = moved[:, :, :, :, 1] + axes[1][None, :, None, :]
    return y.flatten(2, 3), x.flatten(2, 3)


def _axis_grid(length: int, kernel: int, stride: int, padding: int, dilation: int, like: Tensor) -> Tensor:
    """(kernel, outputs) undisturbed positions along one axis."""
    outputs = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    place = torch.arange(outputs, device=like.device, dtype=like.dtype) * stride - padding
    return place + torch.arange(kernel, device=like.device, dtype=like.dtype)[:, None] * dilation


def _samples(inputs: Tensor, y: Tensor, x: Tensor, factors: Tensor | None) -> Tensor:
    """(N, deform_groups, H' * W', kh * kw, C / deform_groups) sampled values."""
    num_images, channels, height, width = inputs.shape
    groups, taps = y.shape[1:3]
    y, x = (place.flatten(3).transpose(2, 3) for place in (y, x))
    cell, share = zero_padded_taps(y, x, height, width)
    if factors is not None:
        share = share * factors.flatten(3).transpose(2, 3)[..., None]
    plane = torch.arange(num_images * groups, device=inputs.device).view(num_images, groups)
    row = cell + plane[:, :, None, None, None] * (height * width)
    rows = inputs.reshape(num_images, groups, channels // groups, height * width)
    rows = rows.transpose(2, 3).reshape(-1, channels // groups)
    runs = uniform_starts(y.numel(), 4, inputs.device)
    sampled = weighted_row_sum(rows, row.flatten(), share.flatten(), runs)
    return sampled.view(num_images, groups, y.shape[2], taps, channels // groups)


def _mixed(samples: Tensor, weight: Tensor, groups: int) -> Tensor:
    """(N, H' * W', O): the kernels (O, C / groups, kh, kw) applied to ``_samples``.

    Cells are the rows of the product and not its columns: with groups of one, nothing has to be copied.
    """
    num_images, _, cells, taps, _ = samples.shape
    channels = weight.shape[1]
    rows = samples.permute(0, 2, 3, 1, 4).reshape(num_images * cells, taps, groups, channels)
    rows = rows.permute(2, 0, 1, 3).reshape(groups, num_images * cells, taps * channels)
    kernels = weight.flatten(2).unflatten(0, (groups, -1)).permute(0, 3, 2, 1).flatten(1, 2)
    return (rows @ kernels).permute(1, 0, 2).reshape(num_images, cells, len(weight))
