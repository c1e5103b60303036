"""RoIAlign with averaged bins (He et al., Mask R-CNN, 2017), differentiable, in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.modules.utils import _pair

from ._precision import working_precision
from .roi_grid import box_bins
from .roi_taps import bin_taps
from .row_sum import scatter_rows, weighted_row_sum


def roi_align(
    features: Tensor,
    rois: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> Tensor:
    """Average bilinear samples of the features over the bins of each box.

    Computes what `mmcv.ops.roi_align(..., pool_mode='avg')` computes.

    Args:
        features: (N, C, H, W) float.
        rois: (K, 5) float: image index, then xyxy in image pixels. Receives no gradient.
        output_size: bins along (height, width), or one number for both.
        spatial_scale: cells per image pixel.
        sampling_ratio: samples per bin and axis; 0 for the bin's size in cells, rounded up.
        aligned: shift boxes by half a cell, so that pixel centres sit at half coordinates.

    Returns:
        (K, C, height, width) of the features' dtype, in channels-last memory.

    Raises:
        InputError, BoxSizeError: malformed `rois`, see `roi_grid.box_bins`.
    """
    height, width = _pair(output_size)
    dtype = working_precision(features)
    bins = box_bins(rois, (height, width), spatial_scale, sampling_ratio, aligned)
    channels, *size = features.shape[1:]
    cells = features.to(dtype).permute(0, 2, 3, 1).reshape(-1, channels)
    parts = [
        weighted_row_sum(cells, taps.cells, taps.weights.to(dtype), taps.starts)
        for taps in bin_taps(bins, rois[:, 0], (size[0], size[1]))
    ]
    if not parts:
        parts = [cells[:0]]  # no box: empty, but still part of the graph
    pooled = parts[0] if len(parts) == 1 else torch.cat(parts)
    return pooled.view(-1, height, width, channels).permute(0, 3, 1, 2).to(features.dtype)


def roi_align_gradient(
    grad: Tensor,
    rois: Tensor,
    feature_shape: torch.Size,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Gradient of `roi_align` in its features, without computing its result.

    Args:
        grad: (K, C, height, width) float gradient of the result.
        rois, spatial_scale, sampling_ratio, aligned: as in `roi_align`.
        feature_shape: (N, C, H, W) of the features.

    Returns:
        (N, C, H, W) of `grad`'s dtype.
    """
    num_images, channels, *size = feature_shape
    dtype = working_precision(grad)
    bins = box_bins(rois, (grad.shape[2], grad.shape[3]), spatial_scale, sampling_ratio, aligned)
    values = grad.to(dtype).permute(0, 2, 3, 1)
    num_cells = num_images * size[0] * size[1]
    total = values.new_zeros(num_cells, channels)
    for taps in bin_taps(bins, rois[:, 0], (size[0], size[1])):
        rows = values[taps.boxes].reshape(-1, channels)
        total += scatter_rows(rows, taps.cells, taps.weights.to(dtype), taps.starts, num_cells)
    return total.view(num_images, *size, channels).permute(0, 3, 1, 2).to(grad.dtype)
