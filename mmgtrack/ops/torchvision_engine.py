"""torchvision's compiled operators, where they work and compute the same as mmcv's.

Compared on recorded outputs of mmcv's compiled extension: faithful are `nms` without offset,
`roi_align` with averaging, and the forward pass of `deform_conv2d`. Not faithful: `roi_pool` rounds
the boxes; the offset gradient of `deform_conv2d` differs at the border of the map.
"""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ._precision import working_precision
from .roi_grid import box_bins


def is_usable() -> bool:
    """Whether torchvision's compiled operators run in this process."""
    return _load()[0] is not None


def obstacle() -> str:
    """Why they do not, in one line; empty if they do."""
    return _load()[1]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Like `mmgtrack.ops.nms` with offset 0."""
    boxes = boxes.to(working_precision(boxes))
    order = scores.sort(0, descending=True)[1]
    # Scores without ties, so that torchvision's own (stable) sort keeps mmcv's order; and the
    # threshold rounded as mmcv rounds it, to the precision of the boxes.
    rank = torch.arange(len(order), 0, -1, device=boxes.device, dtype=boxes.dtype)
    threshold = torch.tensor(iou_threshold, dtype=boxes.dtype).item()
    return order[_ops().nms(boxes[order], rank, threshold)]


def roi_align(
    features: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Like `mmgtrack.ops.roi_align`."""
    box_bins(rois, output_size, spatial_scale, sampling_ratio, aligned)  # refuses negative sizes
    dtype = working_precision(features)
    # torchvision writes -1 where mmcv writes 0 for adaptive sampling.
    pooled = _ops().roi_align(
        features.to(dtype),
        rois.to(dtype),
        output_size,
        spatial_scale,
        sampling_ratio if sampling_ratio > 0 else -1,
        aligned,
    )
    return pooled.to(features.dtype)


def deform_conv2d(
    inputs: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    deform_groups: int,
) -> Tensor:
    """Like `mmgtrack.ops.deform_conv2d`, forward pass only.

    torchvision reads both numbers of groups from the shapes of `weight` and `offset`.
    """
    dtype = working_precision(inputs)
    tensors = [
        None if tensor is None else tensor.to(dtype) for tensor in (inputs, offset, weight, bias, mask)
    ]
    out = _ops().deform_conv2d(*tensors[:4], stride, padding, dilation, tensors[4])
    return out.to(inputs.dtype)


def _ops() -> Any:
    return _load()[0]


@cache
def _load() -> tuple[ModuleType | None, str]:
    """The module `torchvision.ops`, or None and the reason; imported at the first use only."""
    before = set(sys.modules)
    try:
        from torchvision import ops

        ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except Exception as error:  # a build for another torch fails with RuntimeError at import
        for name in set(sys.modules) - before:
            if name.split('.')[0] == 'torchvision':
                del sys.modules[name]  # a half-imported package would mislead whoever asks next
        first_line = (str(error).splitlines() or [''])[0]
        return None, f'torchvision is not usable: {type(error).__name__}: {first_line}'
    return ops, ''
