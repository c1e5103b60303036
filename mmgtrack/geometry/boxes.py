"""Box arithmetic on continuous coordinates: x2 = x + w."""

import torch
from torch import Tensor

from mmgtrack.errors import InputError


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Clip (..., 4) xyxy pixels to an image of size (height, width)."""
    limit = boxes.new_tensor([size[1], size[0], size[1], size[0]])
    return torch.minimum(boxes.clamp(min=0), limit)


def box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Element-wise IoU of two (..., 4) xyxy arrays; 0 where the union is empty."""
    corner_min = torch.maximum(boxes[..., :2], others[..., :2])
    corner_max = torch.minimum(boxes[..., 2:], others[..., 2:])
    inter = (corner_max - corner_min).clamp(min=0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    union = area + (others[..., 2:] - others[..., :2]).prod(-1) - inter
    return torch.where(union > 0, inter / union, torch.zeros_like(union))


def check_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Refuse target boxes that cannot be tracked; return them unchanged.

    boxes: (M, 4) xyxy pixels; size: (height, width) of the frame. A box may reach over the border, but
    must have a positive size and overlap the frame.
    """
    if boxes.ndim != 2 or boxes.shape[-1] != 4 or len(boxes) == 0:
        raise InputError(f'boxes must be (M, 4) xyxy with M >= 1, got shape {tuple(boxes.shape)}')
    if not bool(torch.isfinite(boxes).all()):
        raise InputError(f'boxes must be finite numbers, got {boxes.tolist()}')
    if not bool((boxes[:, 2:] > boxes[:, :2]).all()):
        raise InputError(f'boxes must have x2 > x1 and y2 > y1, got {boxes.tolist()}')
    visible = clip_boxes(boxes, size)
    if not bool((visible[:, 2:] > visible[:, :2]).all()):
        raise InputError(f'boxes must overlap the frame of {size[1]}x{size[0]} pixels, got {boxes.tolist()}')
    return boxes
