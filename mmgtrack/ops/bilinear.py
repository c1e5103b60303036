"""Bilinear sampling with zeros outside the map, written as taps for `weighted_row_sum`."""

from __future__ import annotations

import torch
from torch import Tensor


def zero_padded_taps(
    y: Tensor, x: Tensor, height: Tensor | int, width: Tensor | int
) -> tuple[Tensor, Tensor]:
    """Cells and weights of bilinear samples; a missing neighbour counts as zero.

    The rule of deformable convolution and deformable attention in mmcv: a position <= -1 or >= the
    map's size gives 0 and passes no gradient; the derivative at an integer position is the
    right-hand one, because the floor is constant under differentiation.

    Args:
        y, x: (...) float sample positions in cells (cell centres at integers).
        height, width: size of the map, as numbers or as tensors that broadcast with y and x.

    Returns:
        cell: (..., 4) int64 row-major cell in the map, always in range.
        weight: (..., 4) of y's dtype, differentiable in y and x; zero for cells outside.
    """
    inside = (y > -1) & (y < height) & (x > -1) & (x < width)
    # A position outside may be huge or nan: moved to 0 before it becomes an integer.
    y = torch.where(inside, y, torch.zeros_like(y))
    x = torch.where(inside, x, torch.zeros_like(x))
    top, left = y.detach().floor(), x.detach().floor()
    below, right = y - top, x - left
    corner_y = torch.stack([top, top, top + 1, top + 1], dim=-1).long()
    corner_x = torch.stack([left, left + 1, left, left + 1], dim=-1).long()
    weight = torch.stack(
        [(1 - below) * (1 - right), (1 - below) * right, below * (1 - right), below * right], dim=-1
    )
    height, width = _trailing(height), _trailing(width)
    exists = (corner_y >= 0) & (corner_y < height) & (corner_x >= 0) & (corner_x < width) & inside[..., None]
    cell = torch.where(exists, corner_y * width + corner_x, torch.zeros_like(corner_y))
    return cell, torch.where(exists, weight, torch.zeros_like(weight))


def _trailing(size: Tensor | int) -> Tensor | int:
    return size[..., None] if isinstance(size, Tensor) else size
