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
from .row_sum import uniform_starts

# Taps laid out at once: about 200 MiB of indices and weights in float32.
_MAX_TAPS = 2**24


@dataclass(frozen=True, slots=True)
class BinTaps:
    """Taps of all bins of some boxes.

    boxes: (k,) int64, which boxes; cells: (T,) int64 rows of the flattened (N * H * W, C) map;
    weights: (T,) float; starts: (k * bins,) int64 first tap of every bin, bins row-major.
    """
    boxes: Tensor
    cells: Tensor
    weights: Tensor
    starts: Tensor


@dataclass(frozen=True, slots=True)
class _Group:
    """Boxes that share a layout: (k,) int64 on the CPU, samples and cells per bin along y and x.

    Without `spans` every sample keeps its own two cells.
    """
    boxes: Tensor
    samples: tuple[int, int]
    spans: tuple[int, int] | None

    def taps_per_bin(self) -> int:
        height, width = self.spans or (2 * self.samples[0], 2 * self.samples[1])
        return height * width


def bin_taps(bins: tuple[Bins, Bins], images: Tensor, size: tuple[int, int]) -> Iterator[BinTaps]:
    """Lay out the averaging weights of every bin of every box, at most `_MAX_TAPS` at once.

    Args:
        bins: along y and along x, from `box_bins`.
        images: (K,) image index of each box.
        size: (H, W) of the map.

    Yields:
        BinTaps; each box is in exactly one of them. Boxes keep their order unless sampling is
        adaptive.
    """
    pending: list[BinTaps] = []
    total = 0
    for group in _groups(bins, size):
        rows, columns = bins[0].count, bins[1].count
        # The samples along an axis matter only for boxes far larger than the map.
        per_box = (rows * columns * group.taps_per_bin() + rows * group.samples[0]
                   + columns * group.samples[1])
        for boxes in group.boxes.split(max(1, _MAX_TAPS // per_box)):
            if pending and total + len(boxes) * per_box > _MAX_TAPS:
                yield _joined(pending)
                pending, total = [], 0
            pending.append(_box_taps(bins, images, size, group, boxes.to(images.device)))
            total += len(boxes) * per_box
    if pending:
        yield _joined(pending)


def _groups(bins: tuple[Bins, Bins], size: tuple[int, int]) -> list[_Group]:
    """Group boxes whose bins span similar numbers of cells, with one look at the device's values."""
    num_boxes = bins[0].start.numel()
    fixed = (bins[0].fixed_samples, bins[1].fixed_samples)
    if num_boxes == 0:
        return []
    if fixed[0] and fixed[1]:
        return [_Group(torch.arange(num_boxes), fixed, None)]
    spans = torch.stack([_span(axis, length) for axis, length in zip(bins, size, strict=True)], -1)
    samples = torch.stack([axis.samples for axis in bins], -1)
    table = torch.cat([spans, samples], -1).cpu()
    unique, member = table[:, :2].unique(dim=0, return_inverse=True)
    groups = []
    for number, (height, width) in enumerate(unique.tolist()):
        boxes = (member == number).nonzero()[:, 0]
        most = table[boxes, 2:].amax(0).clamp(min=1).tolist()
        groups.append(_Group(boxes, (most[0], most[1]), (height, width)))
    return groups


def _span(bins: Bins, length: int) -> Tensor:
    """(K,) int64 cells that a bin touches at most, rounded up so that few layouts are needed."""
    last = (bins.samples - 1).clamp(min=0)
    first_cell, last_cell = (
        bins.sample_positions(sample[:, None, None]).nan_to_num(0).clamp(0, length - 1).floor()
        for sample in (torch.zeros_like(last), last))
    cells = (last_cell - first_cell).amax((1, 2)).long() + 2
    step = torch.ones_like(cells) + (cells > 6) + 6 * (cells > 16)  # steps of 1, 2 and 8 cells
    return (cells + step - 1) // step * step


def _box_taps(bins: tuple[Bins, Bins], images: Tensor, size: tuple[int, int], group: _Group,
              boxes: Tensor) -> BinTaps:
    chosen = [axis.select(boxes) for axis in bins]
    cells, weights = [], []
    for dim in range(2):
        span = group.spans[dim] if group.spans else None
        cell, weight = _axis_taps(chosen[dim], group.samples[dim], span, size[dim])
        cells.append(cell)
        weights.append(weight)
    # (k, rows, 1, height, 1) with (k, 1, columns, 1, width); the first cell of the image on top.
    image = images[boxes].long() * (size[0] * size[1])
    row = cells[0] * size[1] + image[:, None, None]
    cell = row[:, :, None, :, None] + cells[1][:, None, :, None, :]
    weight = weights[0][:, :, None, :, None] * weights[1][:, None, :, None, :]
    num_bins = cell.shape[0] * cell.shape[1] * cell.shape[2]
    starts = uniform_starts(num_bins, group.taps_per_bin(), cell.device)
    return BinTaps(boxes, cell.flatten(), weight.flatten(), starts)


def _axis_taps(bins: Bins, num_samples: int, span: int | None,
               length: int) -> tuple[Tensor, Tensor]:
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


def _joined(parts: list[BinTaps]) -> BinTaps:
    if len(parts) == 1:
        return parts[0]
    starts, offset = [], 0
    for part in parts:
        starts.append(part.starts + offset)
        offset += part.cells.numel()
    return BinTaps(torch.cat([part.boxes for part in parts]),
                   torch.cat([part.cells for part in parts]),
                   torch.cat([part.weights for part in parts]), torch.cat(starts))
