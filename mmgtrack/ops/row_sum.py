"""Weighted sums of rows of a matrix: what RoIAlign and deformable sampling have in common.

Every output of these operators is a short weighted sum of feature vectors, so the map is laid out
as rows (one per cell, channels along the row) and each output names its cells and weights.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

# Gathered elements held at once while differentiating the weights: 16 MiB in float32.
_MAX_GATHERED = 2**22


def weighted_row_sum(rows: Tensor, index: Tensor, weights: Tensor, starts: Tensor) -> Tensor:
    """Sum weighted rows over consecutive runs of taps; differentiable to second order.

    Args:
        rows: (R, C) float.
        index: (T,) int64 row of each tap.
        weights: (T,) of `rows`' dtype, weight of each tap.
        starts: (B,) int64, ascending: output b sums the taps starts[b] .. starts[b + 1] - 1.

    Returns:
        (B, C) float; an output without taps is zero.
    """
    return _Gather.apply(rows, index, weights, starts)


def scatter_rows(values: Tensor, index: Tensor, weights: Tensor, starts: Tensor, num_rows: int) -> Tensor:
    """Transpose of `weighted_row_sum`: spread each of the (B, C) values over the rows of its taps.

    Returns:
        (num_rows, C): what flows back to `rows` when `values` is the gradient of the sums.
    """
    return _Scatter.apply(values, index, weights, starts, num_rows)


def uniform_starts(num_sums: int, taps: int, device: torch.device) -> Tensor:
    """(num_sums,) run starts when every sum has the same number of taps."""
    return torch.arange(num_sums, device=device) * taps


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor, weights: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(rows, index, weights, starts)
        return _bag(rows, index, weights, starts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, index, weights, starts = ctx.saved_tensors
        grad_rows = grad_weights = None
        if ctx.needs_input_grad[0]:
            grad_rows = scatter_rows(grad, index, weights, starts, rows.shape[0])
        if ctx.needs_input_grad[2]:
            grad_weights = _paired_dots(rows, index, grad, _owner(starts, index.numel()))
        return grad_rows, None, grad_weights, None


class _Scatter(Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, index: Tensor, weights: Tensor, starts: Tensor, num_rows: int
    ) -> Tensor:
        ctx.save_for_backward(values, index, weights, starts)
        # Taps sorted by row make this a row sum again: 2x faster than index_add_ or the backward of
        # embedding_bag on one CPU thread, and without atomics on a GPU.
        sorted_index, order = index.sort(stable=True)
        row_starts = torch.searchsorted(sorted_index, torch.arange(num_rows, device=index.device))
        owner = _owner(starts, index.numel())
        return _bag(values, owner[order], weights[order], row_starts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        values, index, weights, starts = ctx.saved_tensors
        grad_values = grad_weights = None
        if ctx.needs_input_grad[0]:
            grad_values = weighted_row_sum(grad, index, weights, starts)
        if ctx.needs_input_grad[2]:
            grad_weights = _paired_dots(grad, index, values, _owner(starts, index.numel()))
        return grad_values, None, grad_weights, None, None


def _bag(rows: Tensor, index: Tensor, weights: Tensor, starts: Tensor) -> Tensor:
    if index.numel() == 0:
        return rows.new_zeros(starts.numel(), rows.shape[1])
    return F.embedding_bag(
        index, rows.contiguous(), starts, mode='sum', per_sample_weights=weights.contiguous()
    )


def _owner(starts: Tensor, num_taps: int) -> Tensor:
    """(T,) which sum each tap belongs to."""
    taps = torch.arange(num_taps, device=starts.device)
    return torch.searchsorted(starts, taps, right=True) - 1


def _paired_dots(left: Tensor, left_index: Tensor, right: Tensor, right_index: Tensor) -> Tensor:
    """(T,) inner products of left[left_index[t]] and right[right_index[t]]."""
    step = max(1, _MAX_GATHERED // max(1, left.shape[1]))
    dots = [
        (left[i] * right[j]).sum(-1)
        for i, j in zip(left_index.split(step), right_index.split(step), strict=True)
    ]
    return torch.cat(dots)
