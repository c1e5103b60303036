"""RoI max pooling (Girshick, Fast R-CNN, 2015) by mmcv's rule, which does not round boxes.

torchvision's operator of that name rounds them and gives other values; never swap the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ._precision import working_precision

# Pooled values held at once: 64 MiB in float32.
_MAX_VALUES = 2**24


def roi_pool(
    features: Tensor, rois: Tensor, output_size: tuple[int, int], spatial_scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Largest cell of each bin, per channel.

    A box covers x1 * scale .. (x2 + 1) * scale; bin p covers the cells from the floor of its left
    edge to the ceiling of its right one. Not differentiable by itself, see `roi_pool_gradient`.

    Args:
        features: (N, C, H, W) float.
        rois: (K, 5) float: image index, then xyxy in image pixels.
        output_size: bins along (height, width).
        spatial_scale: cells per image pixel.

    Returns:
        pooled: (K, C, height, width) of the features' dtype; 0 for a bin without cells.
        peak: (K, C, height, width) int64, row-major cell of the first maximum; -1 for a bin without
            cells, 0 for all bins of a box of no size.
    """
    height, width = features.shape[2:]
    axes = (
        _covered(rois[:, [2, 4]], spatial_scale, output_size[0], height),
        _covered(rois[:, [1, 3]], spatial_scale, output_size[1], width),
    )
    shape = (len(rois), features.shape[1], *output_size)
    pooled, peak = features.new_zeros(shape), features.new_zeros(shape, dtype=torch.int64)
    # Boxes whose bins span equally many cells go together.
    spans = torch.stack([axis.count.amax(1) for axis in axes], dim=-1).cpu()
    unique, member = spans.unique(dim=0, return_inverse=True)
    for number, span in enumerate(unique.clamp(min=1).tolist()):
        per_box = shape[1] * shape[2] * shape[3] * span[0] * span[1]
        for boxes in (member == number).nonzero()[:, 0].split(max(1, _MAX_VALUES // per_box)):
            boxes = boxes.to(rois.device)
            cell, exists = _window(axes, boxes, span, width)
            value, at = _largest(features, rois[boxes, 0].long(), cell, exists)
            proper = (axes[0].proper & axes[1].proper)[boxes, None, None, None]
            pooled[boxes] = value.where(proper, 0)
            peak[boxes] = at.where(proper, 0)
    return pooled, peak


def roi_pool_gradient(grad: Tensor, peak: Tensor, rois: Tensor, feature_shape: torch.Size) -> Tensor:
    """Gradient of `roi_pool` in its features: each bin's goes to its maximum.

    Args:
        grad: (K, C, height, width) float; peak: the same shape, integer, from `roi_pool`.
        rois: (K, 5) float; only the image index is used.
        feature_shape: (N, C, H, W) of the features.

    Returns:
        (N, C, H, W) of `grad`'s dtype.
    """
    channels, height, width = feature_shape[1:]
    dtype = working_precision(grad)
    plane = rois[:, 0].long()[:, None] * channels + torch.arange(channels, device=rois.device)
    target = plane[:, :, None, None] * (height * width) + peak.long().clamp(min=0)
    total = torch.zeros(feature_shape.numel(), dtype=dtype, device=grad.device)
    total.index_add_(0, target.flatten(), grad.to(dtype).where(peak >= 0, 0).flatten())
    return total.view(feature_shape).to(grad.dtype)


@dataclass(frozen=True, slots=True)
class _Covered:
    """Cells of each bin along one axis: (K, P) int64 first and count; (K,) bool box has a size."""

    first: Tensor
    count: Tensor
    proper: Tensor


def _covered(edges: Tensor, scale: float, bins: int, length: int) -> _Covered:
    edges = edges.detach().to(working_precision(edges))
    begin, end = edges[:, :1] * scale, (edges[:, 1:] + 1) * scale
    size = (end - begin) / bins
    number = torch.arange(bins, device=edges.device)
    first = (number * size + begin).floor().nan_to_num(0).clamp(0, length).long()
    last = ((number + 1) * size + begin).ceil().nan_to_num(0).clamp(0, length).long()
    return _Covered(first, (last - first).clamp(min=0), (end > begin)[:, 0])


def _window(
    axes: tuple[_Covered, _Covered], boxes: Tensor, span: list[int], width: int
) -> tuple[Tensor, Tensor]:
    """(k, height, width, span) cells of each bin's window, row-major, and which are the bin's."""
    cells, exists = [], []
    for axis, length in zip(axes, span, strict=True):
        step = torch.arange(length, device=boxes.device)
        inside = step < axis.count[boxes, :, None]
        cells.append((axis.first[boxes, :, None] + step).where(inside, 0))
        exists.append(inside)
    cell = cells[0][:, :, None, :, None] * width + cells[1][:, None, :, None, :]
    member = exists[0][:, :, None, :, None] & exists[1][:, None, :, None, :]
    return cell.flatten(3), member.flatten(3)


def _largest(features: Tensor, images: Tensor, cell: Tensor, exists: Tensor) -> tuple[Tensor, Tensor]:
    """(k, C, height, width) largest value and its cell; 0 and -1 where no cell exists."""
    values = features.flatten(2).permute(0, 2, 1)[images[:, None, None, None], cell]
    values = values.masked_fill(~exists[..., None], -torch.inf)
    best = values.argmax(3, keepdim=True)  # the first of equals, row-major
    some = exists.any(3)[..., None]
    value = values.gather(3, best)[:, :, :, 0].where(some, 0)
    at = cell.gather(3, best[:, :, :, 0]).where(some, -1)
    return value.permute(0, 3, 1, 2), at.permute(0, 3, 1, 2)
