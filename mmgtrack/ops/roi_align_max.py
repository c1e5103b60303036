"""RoIAlign with the maximum of each bin's samples: rare, so written for clarity, not for speed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._precision import working_precision
from .roi_grid import Bins, box_bins, clamped_taps
from .row_sum import uniform_starts, weighted_row_sum

# Sampled values held at once: 64 MiB in float32.
_MAX_VALUES = 2**24
# What mmcv's kernel starts its search with, hence the maximum of a bin without samples.
_NO_SAMPLE = -10000.0


def roi_align_max(
    features: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Largest bilinear sample of each bin, per channel: `mmcv.ops.roi_align(pool_mode='max')`.

    Args: as for `roi_align`. Not differentiable by itself, see `roi_align_max_gradient`.

    Returns:
        pooled: (K, C, height, width) of the features' dtype; -10000 for a bin without samples.
        peak_y, peak_x: like `pooled`, where the (first) maximum was sampled, in cells; -1 for none.
    """
    dtype = working_precision(features)
    bins = box_bins(rois, output_size, spatial_scale, sampling_ratio, aligned)
    channels, *size = features.shape[1:]
    cells = features.detach().to(dtype).permute(0, 2, 3, 1).reshape(-1, channels)
    found = cells.new_empty(3, len(rois), *output_size, channels)
    # Boxes of equal grids go together: no sample is computed in vain, however mixed the sizes.
    grids = torch.stack([axis.samples for axis in bins], dim=-1).cpu()
    unique, member = grids.unique(dim=0, return_inverse=True)
    for number, grid in enumerate(unique.clamp(min=1).tolist()):
        per_box = channels * output_size[0] * output_size[1] * grid[0] * grid[1]
        for boxes in (member == number).nonzero()[:, 0].split(max(1, _MAX_VALUES // per_box)):
            boxes = boxes.to(rois.device)
            found[:, boxes] = _search(
                cells, rois[boxes, 0].long(), size, [axis.select(boxes) for axis in bins], grid
            )
    pooled, peak_y, peak_x = found.permute(0, 1, 4, 2, 3).to(features.dtype)
    return pooled, peak_y, peak_x


def roi_align_max_gradient(
    grad: Tensor, peak_y: Tensor, peak_x: Tensor, rois: Tensor, feature_shape: torch.Size
) -> Tensor:
    """Gradient of `roi_align_max` in its features.

    A maximum found at row exactly -1 gets none, because mmcv marks "no sample" by that value.

    Args:
        grad, peak_y, peak_x: (K, C, height, width) float, the latter from `roi_align_max`.
        rois: (K, 5) float; only the image index is used.
        feature_shape: (N, C, H, W) of the features.

    Returns:
        (N, C, H, W) of `grad`'s dtype.
    """
    channels, *size = feature_shape[1:]
    dtype = working_precision(grad)
    cell, weight = _sample_taps(peak_y.to(dtype), peak_x.to(dtype), peak_y != -1, peak_y != -1, size)
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    target = plane[:, :, None, None, None] * (size[0] * size[1]) + cell
    total = torch.zeros(feature_shape.numel(), dtype=dtype, device=grad.device)
    total.index_add_(0, target.flatten(), (weight * grad.to(dtype)[..., None]).flatten())
    return total.view(feature_shape).to(grad.dtype)


def _search(
    cells: Tensor, images: Tensor, size: Sequence[int], bins: Sequence[Bins], grid: Sequence[int]
) -> Tensor:
    """(3, k, height, width, C): largest sample of every bin, and its y and x."""
    (y, exists_y), (x, exists_x) = (axis.positions(count) for axis, count in zip(bins, grid, strict=True))
    shape = (len(images), y.shape[1], x.shape[1], grid[0], grid[1])
    y, exists_y = (v[:, :, None, :, None].expand(shape) for v in (y, exists_y.expand(y.shape)))
    x, exists_x = (v[:, None, :, None, :].expand(shape) for v in (x, exists_x.expand(x.shape)))
    cell, weight = _sample_taps(y, x, exists_y, exists_x, size)
    cell = cell + images.view(-1, 1, 1, 1, 1, 1) * (size[0] * size[1])
    starts = uniform_starts(y.numel(), 4, cells.device)
    values = weighted_row_sum(cells, cell.flatten(), weight.flatten().to(cells.dtype), starts)
    values = values.view(*shape[:3], grid[0] * grid[1], cells.shape[1])
    exists = (exists_y & exists_x).reshape(*shape[:3], -1, 1)
    best = values.masked_fill(~exists, -torch.inf).argmax(3, keepdim=True)  # the first of equals
    peak = values.gather(3, best)[:, :, :, 0]
    none = ~exists.any(3) | ~(peak > _NO_SAMPLE)
    at = best[:, :, :, 0]
    return torch.stack(
        [
            peak.masked_fill(none, _NO_SAMPLE),
            y.reshape(*shape[:3], -1).gather(3, at).to(peak.dtype).masked_fill(none, -1),
            x.reshape(*shape[:3], -1).gather(3, at).to(peak.dtype).masked_fill(none, -1),
        ]
    )


def _sample_taps(
    y: Tensor, x: Tensor, exists_y: Tensor, exists_x: Tensor, size: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """(..., 4) cells in the map and weights of samples at (...) positions."""
    top, weight_y = clamped_taps(y, exists_y, size[0])
    left, weight_x = clamped_taps(x, exists_x, size[1])
    rows = torch.stack([top, (top + 1).clamp(max=size[0] - 1)], dim=-1) * size[1]
    columns = torch.stack([left, (left + 1).clamp(max=size[1] - 1)], dim=-1)
    cell = rows[..., :, None] + columns[..., None, :]
    weight = weight_y[..., :, None] * weight_x[..., None, :]
    return cell.flatten(-2), weight.flatten(-2)
