"""Cells and weights of averaged RoIAlign bins, laid out for `weighted_row_sum`.

Bilinear weights are separable: a bin's weights are the outer product of one vector along y and one
along x, so everything is computed along single axes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .roi_grid import Bins, clamped_taps

# Taps laid out at once: about 200 MiB of indices and weights in float32.
_MAX_TAPS = 2**24


@dataclass(frozen=True, slots=True)
class BinTaps:
    """Taps of all bins of consecutive boxes.

    boxes: which boxes; cells: (T,) int64 rows of the flattened (N * H * W, C) map;
    weights: (T,) float; starts: (k * bins,) int64 first tap of every bin, bins row-major.
    """

    boxes: slice
    cells: Tensor
    weights: Tensor
    starts: Tensor


@dataclass(frozen=True, slots=True)
class _Layout:
    """Per box and axis (y, x), as (K, 2) int64 on the CPU: cells or taps, and samples, of a bin.

    merged: whether samples that share a cell are one tap; else every sample has its own two.
    """

    taps: Tensor
    samples: Tensor
    merged: bool


def bin_taps(bins: tuple[Bins, Bins], images: Tensor, size: tuple[int, int]) -> Iterator[BinTaps]:
    """Lay out the averaging weights of every bin of every box, about `_MAX_TAPS` at once.

    Args:
        bins: along y and along x, from `box_bins`.
        images: (K,) image index of each box.
        size: (H, W) of the map.

    Yields:
        BinTaps of runs of boxes, in order.
    """
    layout = _layout(bins, size)
    # The samples along an axis matter only for boxes far larger than the map.
    counts = torch.tensor([axis.count for axis in bins])
    cost = (layout.taps.prod(1) * counts.prod() + layout.samples @ counts).cumsum(0)
    begin, paid = 0, 0
    while begin < len(cost):
        end = int(torch.searchsorted(cost, paid + _MAX_TAPS, right=True))
        end = max(end, begin + 1)
        yield _run_taps(bins, images, size, layout, slice(begin, end))
        begin, paid = end, int(cost[end - 1])


def _layout(bins: tuple[Bins, Bins], size: tuple[int, int]) -> _Layout:
    """Decide the number of taps of each box, with one look at the device's values."""
    fixed = torch.tensor([axis.fixed_samples for axis in bins])
    if fixed.all():
        samples = fixed.expand(bins[0].start.numel(), 2)
        return _Layout(2 * samples, samples, merged=False)
    spans = [_span(axis, length) for axis, length in zip(bins, size, strict=True)]
    table = torch.stack([*spans, *(axis.samples for axis in bins)], dim=-1).cpu()
    return _Layout(table[:, :2], table[:, 2:].clamp(min=1), merged=True)


def _span(bins: Bins, length: int) -> Tensor:
    """(K,) int64 cells that a bin touches at most, rounded up so that few layouts are needed."""
    last = (bins.samples - 1).clamp(min=0)
    first_cell, last_cell = (
        bins.sample_positions(sample[:, None, None]).nan_to_num(0).clamp(0, length - 1).floor()
        for sample in (torch.zeros_like(last), last)
    )
    cells = (last_cell - first_cell).amax((1, 2)).long() + 2
    step = torch.ones_like(cells) + (cells > 6) + 6 * (cells > 16)  # steps of 1, 2 and 8 cells
    return (cells + step - 1) // step * step


def _run_taps(
    bins: tuple[Bins, Bins], images: Tensor, size: tuple[int, int], layout: _Layout, run: slice
) -> BinTaps:
    """Taps of one run of boxes; boxes of equal layout are computed together."""
    device, num_bins = images.device, bins[0].count * bins[1].count
    taps = layout.taps[run]
    per_bin = taps.prod(1)
    first = (per_bin * num_bins).cumsum(0) - per_bin * num_bins
    starts = (first[:, None] + per_bin[:, None] * torch.arange(num_bins)).flatten().to(device)
    unique, member = taps.unique(dim=0, return_inverse=True)
    if len(unique) == 1:
        cells, weights = _box_taps(bins, images, size, layout, torch.arange(run.start, run.stop))
        return BinTaps(run, cells.flatten(), weights.flatten(), starts)
    total = int(per_bin.sum()) * num_bins
    cells = torch.empty(total, dtype=torch.int64, device=device)
    weights = bins[0].start.new_empty(total)
    for number in range(len(unique)):
        boxes = (member == number).nonzero()[:, 0]
        cell, weight = _box_taps(bins, images, size, layout, boxes + run.start)
        place = first[boxes].to(device)[:, None] + torch.arange(cell.shape[1], device=device)
        cells[place], weights[place] = cell, weight
    return BinTaps(run, cells, weights, starts)


def _box_taps(
    bins: tuple[Bins, Bins], images: Tensor, size: tuple[int, int], layout: _Layout, boxes: Tensor
) -> tuple[Tensor, Tensor]:
    """(k, bins * taps) cells and weights of boxes ((k,) int64 on the CPU) of equal layout."""
    spans = layout.taps[boxes[0]].tolist() if layout.merged else (None, None)
    samples = layout.samples[boxes].amax(0).tolist()
    boxes = boxes.to(images.device)
    (row, share_y), (column, share_x) = (
        _axis_taps(axis.select(boxes), *how)
        for axis, how in zip(bins, zip(samples, spans, size, strict=True), strict=True)
    )
    image = images[boxes].long() * (size[0] * size[1])
    row = row * size[1] + image[:, None, None]
    # (k, rows, 1, taps, 1) with (k, 1, columns, 1, taps)
    cell = row[:, :, None, :, None] + column[:, None, :, None, :]
    weight = share_y[:, :, None, :, None] * share_x[:, None, :, None, :]
    return cell.flatten(1), weight.flatten(1)


def _axis_taps(bins: Bins, num_samples: int, span: int | None, length: int) -> tuple[Tensor, Tensor]:
    """(k, P, S) cells along one axis and their share of the bin's mean."""
    positions, exists = bins.positions(num_samples)
    first, weights = clamped_taps(positions, exists, length)
    weights = weights / bins.samples.clamp(min=1)[:, None, None, None].to(weights.dtype)
    if span is None:
        cells = torch.stack([first, (first + 1).clamp(max=length - 1)], dim=-1)
        return cells.flatten(2), weights.flatten(2)
    # Neighbouring samples share cells: collect the weights of each cell of the bin once. A sample
    # outside the map has no weight, so it does not matter which cell it is counted for.
    base = first[..., :1]
    nearby = (first - base).clamp(0, span - 2)
    merged = weights.new_zeros(*first.shape[:2], span)
    merged.scatter_add_(2, nearby, weights[..., 0]).scatter_add_(2, nearby + 1, weights[..., 1])
    cells = (base + torch.arange(span, device=base.device)).clamp(max=length - 1)
    return cells, merged
