"""Overlap of axis-parallel boxes, with mmcv's `offset` and without guards for empty boxes."""

from __future__ import annotations

import torch
from torch import Tensor


def box_areas(boxes: Tensor, offset: int = 0) -> Tensor:
    """Areas of (..., 4) xyxy boxes whose sides are x2 - x1 + offset; negative sides stay so."""
    return (boxes[..., 2] - boxes[..., 0] + offset) * (boxes[..., 3] - boxes[..., 1] + offset)


def bbox_overlaps(
    boxes1: Tensor, boxes2: Tensor, mode: str = 'iou', aligned: bool = False, offset: int = 0
) -> Tensor:
    """Overlap of boxes as mmcv's operator computes it: empty boxes give nan or inf.

    Args:
        boxes1: (..., M, 4) xyxy float.
        boxes2: (..., N, 4) xyxy float; the leading dimensions broadcast with those of `boxes1`.
        mode: 'iou', or 'iof' to divide by the area of the first box alone.
        aligned: compare row by row (M == N) instead of all with all.
        offset: 1 for boxes whose last pixel is inclusive, else 0.

    Returns:
        (..., M) if `aligned`, else (..., M, N), of the boxes' dtype.
    """
    area1, area2 = box_areas(boxes1, offset), box_areas(boxes2, offset)
    if not aligned:
        boxes1, boxes2 = boxes1[..., :, None, :], boxes2[..., None, :, :]
        area1, area2 = area1[..., :, None], area2[..., None, :]
    width = torch.minimum(boxes1[..., 2], boxes2[..., 2])
    width = (width - torch.maximum(boxes1[..., 0], boxes2[..., 0]) + offset).clamp_(min=0)
    height = torch.minimum(boxes1[..., 3], boxes2[..., 3])
    height = (height - torch.maximum(boxes1[..., 1], boxes2[..., 1]) + offset).clamp_(min=0)
    shared = width * height
    return shared / (area1 + area2 - shared if mode == 'iou' else area1)
