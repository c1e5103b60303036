"""Multi-scale deformable attention (Zhu et al., Deformable DETR, 2021): sampling and weighting."""

from __future__ import annotations

import torch
from torch import Tensor

from ._precision import working_precision
from .bilinear import zero_padded_taps
from .row_sum import uniform_starts, weighted_row_sum


def ms_deform_attn(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor
) -> Tensor:
    """Weighted sum of bilinear samples from several maps; differentiable in all float inputs.

    Args:
        value: (B, S, heads, D) float, the levels' cells one after the other.
        shapes: (L, 2) int64, height and width of each level.
        starts: (L,) int64, first cell of each level.
        locations: (B, Q, heads, L, P, 2) float, (x, y) in [0, 1] of the level; zeros outside.
        weights: (B, Q, heads, L, P) float.

    Returns:
        (B, Q, heads * D) of the value's dtype.
    """
    batch, num_cells, heads, dim = value.shape
    queries = locations.shape[1]
    dtype = working_precision(value)
    shapes, starts = shapes.to(value.device), starts.to(value.device)
    height, width = shapes[:, 0, None], shapes[:, 1, None]  # (L, 1) beside (..., L, P)
    locations = locations.to(dtype)
    cell, share = zero_padded_taps(
        locations[..., 1] * height - 0.5, locations[..., 0] * width - 0.5, height, width
    )
    image = torch.arange(batch, device=value.device).view(-1, 1, 1, 1, 1, 1)
    head = torch.arange(heads, device=value.device).view(-1, 1, 1, 1)
    row = (image * num_cells + starts[:, None, None] + cell) * heads + head
    share = share * weights.to(dtype)[..., None]
    num_taps = row.shape[3] * row.shape[4] * row.shape[5]
    runs = uniform_starts(batch * queries * heads, num_taps, value.device)
    rows = value.to(dtype).reshape(-1, dim)
    out = weighted_row_sum(rows, row.flatten(), share.flatten(), runs)
    return out.view(batch, queries, heads * dim).to(value.dtype)
