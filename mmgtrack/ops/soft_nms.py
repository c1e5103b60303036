"""Soft NMS (Bodla et al., 2017): lower the scores of overlapping boxes instead of dropping them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ._precision import working_precision
from .overlaps import box_areas

NAIVE, LINEAR, GAUSSIAN = range(3)  # mmcv's codes


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int = 0,
) -> tuple[Tensor, Tensor]:
    """Emit boxes by their current score, decaying the scores of those that overlap.

    The order of mmcv's selection sort is kept to the letter: the first maximum wins, it changes
    places with the box at its rank, and a box that falls below `min_score` is replaced by the last.

    Args:
        boxes: (N, 4) xyxy float; scores: (N,) float.
        iou_threshold: overlaps of at least this decay the score (methods NAIVE and LINEAR).
        sigma: width of the Gaussian decay.
        min_score: boxes whose decayed score is lower are dropped.
        method: NAIVE (to zero), LINEAR (1 - iou) or GAUSSIAN (exp(-iou^2 / sigma)).
        offset: 1 for boxes whose last pixel is inclusive, else 0.

    Returns:
        dets: (n, 5) boxes and decayed scores in order of emission; indices: (n,) int64.
    """
    dtype = working_precision(boxes)
    rows = torch.cat([boxes, scores[:, None], box_areas(boxes, offset)[:, None]], dim=1)
    table = rows.detach().to('cpu', dtype).numpy().copy()
    inds = np.arange(len(table))
    count, rank = len(table), 0
    while rank < count:
        best = rank + int(table[rank:count, 4].argmax())
        table[[rank, best]] = table[[best, rank]]
        inds[[rank, best]] = inds[[best, rank]]
        rest = slice(rank + 1, count)
        table[rest, 4] *= _decay(table[rank], table[rest], iou_threshold, sigma, method, offset)
        source = _refilled(~(table[rest, 4] < table.dtype.type(min_score))) + rank + 1
        count = rank + 1 + len(source)
        table[rank + 1 : count] = table[source]
        inds[rank + 1 : count] = inds[source]
        rank += 1
    dets = torch.from_numpy(table[:count, :5].copy()).to(boxes)
    return dets, torch.from_numpy(inds[:count].copy()).to(boxes.device)


def _decay(
    best: NDArray, others: NDArray, iou_threshold: float, sigma: float, method: int, offset: int
) -> NDArray:
    """(n,) factors for the scores of `others`; rows are x1, y1, x2, y2, score, area."""
    one = others.dtype.type(1)
    width = np.minimum(best[2], others[:, 2]) - np.maximum(best[0], others[:, 0]) + offset
    height = np.minimum(best[3], others[:, 3]) - np.maximum(best[1], others[:, 1]) + offset
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    with np.errstate(divide='ignore', invalid='ignore'):  # two empty boxes: nan, no decay
        iou = shared / (best[5] + others[:, 5] - shared)
    if method == GAUSSIAN:
        # By way of float64: numpy's float32 exp is a unit in the last place off the C library's.
        exponent = -(iou * iou) / others.dtype.type(sigma)
        return np.exp(exponent.astype(np.float64)).astype(others.dtype)
    over = iou >= others.dtype.type(iou_threshold)
    return np.where(over, one - iou if method == LINEAR else 0 * one, one)


def _refilled(keep: NDArray) -> NDArray:
    """Which position moves where when every dropped one is overwritten by the last that stays."""
    stay = np.flatnonzero(keep)
    source = np.arange(len(stay))
    holes = np.flatnonzero(~keep[: len(stay)])
    source[holes] = stay[len(stay) - len(holes) :][::-1]
    return source
