"""Greedy non-maximum suppression: one list of boxes, or many independent lists at once."""

from __future__ import annotations

import torch
from torch import Tensor

from mmgtrack.errors import InputError

from ._precision import working_precision
from .overlaps import bbox_overlaps

# Boxes decided together: small enough that their mutual overlaps stay in a CPU's cache.
_BLOCK = 256
# Overlaps held at once: 64 MiB a float32 matrix, of which a handful live at the same time.
_MAX_PAIRS = 2**24


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Keep boxes that no better kept box overlaps by more than `iou_threshold`.

    Args:
        boxes: (N, 4) xyxy float pixels.
        scores: (N,) float. Ties are ordered by torch's default sort, as in mmcv.
        iou_threshold: suppression is strictly greater.
        offset: 1 for boxes whose last pixel is inclusive, else 0.

    Returns:
        (n,) int64 indices of the kept boxes, best first.
    """
    order = scores.sort(0, descending=True)[1]
    keep = batched_greedy_nms(boxes[order][None], iou_threshold, offset=offset)
    return order[keep[0]]


def batched_greedy_nms(
    boxes: Tensor, iou_threshold: float, valid: Tensor | None = None, offset: int = 0
) -> Tensor:
    """Greedy NMS over G independent groups at once.

    The result is that of walking down each group alone. Boxes are decided in blocks: within a block
    the greedy answer is the fixed point of "kept if no kept better box suppresses it", which is
    reached in as many steps as the longest chain of suppressions; then the block's kept boxes
    suppress everything behind it.

    Args:
        boxes: (G, K, 4) xyxy float, each group in descending order of score.
        iou_threshold: suppression is strictly greater; an undefined overlap (two empty boxes) does
            not suppress.
        valid: (G, K) bool; boxes that are not valid are neither kept nor suppress. Default: all.
        offset: 1 for boxes whose last pixel is inclusive, else 0.

    Returns:
        (G, K) bool, which boxes are kept.

    Raises:
        InputError: `boxes` is not (G, K, 4), or `valid` does not match it.
    """
    if boxes.ndim != 3 or boxes.shape[-1] != 4:
        raise InputError(f'boxes must be (G, K, 4) xyxy, got {tuple(boxes.shape)}')
    if valid is None:
        valid = torch.ones(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    elif valid.shape != boxes.shape[:2]:
        raise InputError(f'valid must be {tuple(boxes.shape[:2])}, got {tuple(valid.shape)}')
    boxes = boxes.detach().to(working_precision(boxes))
    groups = max(1, _MAX_PAIRS // max(1, _BLOCK * boxes.shape[1]))
    keep = [
        _greedy(some_boxes, iou_threshold, some_valid, offset)
        for some_boxes, some_valid in zip(boxes.split(groups), valid.split(groups), strict=True)
    ]
    return torch.cat(keep) if keep else valid.clone()


def _greedy(boxes: Tensor, iou_threshold: float, valid: Tensor, offset: int) -> Tensor:
    keep = valid.clone()
    for begin in range(0, boxes.shape[1], _BLOCK):
        end = min(begin + _BLOCK, boxes.shape[1])
        block = boxes[:, begin:end]
        overlaps = bbox_overlaps(block, boxes[:, begin:], offset=offset) > iou_threshold
        decided = _fixed_point(overlaps[:, :, : end - begin].triu(1), keep[:, begin:end])
        keep[:, begin:end] = decided
        keep[:, end:] &= ~(overlaps[:, :, end - begin :] & decided[:, :, None]).any(1)
    return keep


def _fixed_point(suppresses: Tensor, candidates: Tensor) -> Tensor:
    """(G, B) bool greedy answer; suppresses: (G, B, B) bool, [g, i, j] if i suppresses j > i."""
    keep = candidates
    while True:
        update = candidates & ~(suppresses & keep[:, :, None]).any(1)
        if torch.equal(update, keep):
            return keep
        keep = update


def nms_match(boxes: Tensor, scores: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of boxes that NMS merges; here suppression is greater *or equal*, as in mmcv.

    Args:
        boxes: (N, 4) xyxy float; scores: (N,) float.
        iou_threshold: a box joins the best remaining box that it overlaps by at least this much.

    Returns:
        One list of indices per kept box, best first: the box, then those it suppressed.
    """
    order = scores.sort(0, descending=True)[1]
    ordered = boxes[order].to(working_precision(boxes))
    remaining = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    groups = []
    for position in range(len(order)):
        if not remaining[position]:
            continue
        overlaps = bbox_overlaps(ordered[position : position + 1], ordered[position:])[0]
        joined = (overlaps >= iou_threshold) & remaining[position:]
        joined[0] = True  # also when its own overlap is undefined
        remaining[position:] &= ~joined
        groups.append(order[position:][joined].tolist())
    return groups
