"""Where RoIAlign samples: boxes to bins, bins to sample positions, along one axis at a time.

The rule is mmcv's: sample k of bin p sits at start + p * bin + (k + 0.5) * bin / n; a sample before
-1 or behind the map's size contributes zero but is counted in the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmgtrack.errors import InputError

from ._precision import working_precision


class BoxSizeError(InputError, RuntimeError):
    """A box has a negative size; also a RuntimeError, which is what mmcv's own operator raises."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of K boxes along one axis, in cells.

    start, size: (K,) float, left edge of the first bin and width of a bin.
    samples: (K,) int64, samples in a bin; 0 for an empty box under adaptive sampling.
    count: bins along this axis.
    fixed_samples: the number of samples if it is the same for all boxes, 0 if it is adaptive.
    """

    start: Tensor
    size: Tensor
    samples: Tensor
    count: int
    fixed_samples: int

    def select(self, boxes: Tensor) -> Bins:
        """The bins of some boxes, given as (k,) int64."""
        return Bins(self.start[boxes], self.size[boxes], self.samples[boxes], self.count, self.fixed_samples)

    def sample_positions(self, sample: Tensor) -> Tensor:
        """(K, P, S) positions in cells of the samples numbered `sample`, (K or 1, 1, S) int64."""
        start, size = self.start[:, None, None], self.size[:, None, None]
        bins = torch.arange(self.count, device=start.device, dtype=start.dtype)[:, None]
        samples = self.samples.clamp(min=1).to(start.dtype)[:, None, None]
        # In the order of operations of mmcv's kernel, so that float32 rounds alike.
        return start + bins * size + (sample.to(start.dtype) + 0.5) * size / samples

    def positions(self, num_samples: int) -> tuple[Tensor, Tensor]:
        """(K, P, num_samples) positions in cells, and (K, 1, num_samples) bool which exist."""
        sample = torch.arange(num_samples, device=self.start.device)[None, None]
        return self.sample_positions(sample), sample < self.samples[:, None, None]


def box_bins(
    rois: Tensor, output_size: tuple[int, int], spatial_scale: float, sampling_ratio: int, aligned: bool
) -> tuple[Bins, Bins]:
    """Divide boxes into bins, as mmcv's `roi_align` does.

    Args:
        rois: (K, 5) float: image index, then xyxy in image pixels.
        output_size: bins along (height, width).
        spatial_scale: cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 for as many as the bin is wide, rounded up.
        aligned: shift boxes by half a cell. Without it (the legacy rule) boxes are widened to one
            cell.

    Returns:
        Bins along y and along x.

    Raises:
        InputError: `rois` is not (K, 5).
        BoxSizeError: a box on the CPU has a negative size and `aligned` is set. (On other devices
            the check would stall the queue; mmcv does not make it there either.)
    """
    if rois.ndim != 2 or rois.shape[1] != 5:
        raise InputError(f'rois must be (K, 5): image, x1, y1, x2, y2; got {tuple(rois.shape)}')
    edges = rois[:, 1:].detach().to(working_precision(rois)) * spatial_scale
    if aligned:
        edges = edges - 0.5
    size = edges[:, 2:] - edges[:, :2]
    if not aligned:
        size = size.clamp(min=1)
    elif size.device.type == 'cpu' and bool((size < 0).any()):
        raise BoxSizeError('width and height of rois must be >= 0 when aligned=True')

    def axis(dim: int, count: int) -> Bins:
        bin_size = size[:, dim] / count
        if sampling_ratio > 0:
            samples = torch.full_like(bin_size, sampling_ratio, dtype=torch.int64)
        else:
            samples = bin_size.ceil().nan_to_num(0, 0, 0).clamp(min=0).long()
        return Bins(edges[:, dim], bin_size, samples, count, max(sampling_ratio, 0))

    return axis(1, output_size[0]), axis(0, output_size[1])


def clamped_taps(positions: Tensor, exists: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Two cells and weights of each sample along an axis of `length` cells.

    Positions in [-1, 0) are moved to 0, positions behind the last cell's centre to it; positions
    further out get weight 0.

    Returns:
        first: (...) int64 lower cell; the upper one is the next, at most length - 1.
        weights: (..., 2) float weights of the lower and the upper cell.
    """
    inside = (positions >= -1) & (positions <= length) & exists
    clamped = torch.where(inside, positions, torch.zeros_like(positions)).clamp(0, length - 1)
    first = clamped.floor()
    upper = clamped - first
    weights = torch.stack([1 - upper, upper], dim=-1) * inside[..., None]
    return first.long(), weights
