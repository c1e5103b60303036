"""Frames and targets as a list of pairs, so that heads see one batch whatever belongs to whom."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Pairs(NamedTuple):
    """P pairs of a frame and a target to be searched in it: two (P,) int64 index tensors."""

    frames: Tensor
    targets: Tensor

    @classmethod
    def of_clips(
        cls, frames: Sequence[Sequence[int]], counts: Sequence[int], device: torch.device
    ) -> 'Pairs':
        """Every frame of a clip with every target of that clip, clip by clip, frames outermost.

        frames: indices of each clip's frames; counts: number of targets of each clip.
        """
        first = 0
        rows, columns = [], []
        for clip, count in zip(frames, counts, strict=True):
            rows.append(torch.tensor(clip).repeat_interleave(count))
            columns.append(torch.arange(first, first + count).repeat(len(clip)))
            first += count
        return cls(torch.cat(rows).to(device), torch.cat(columns).to(device))


class Detections(NamedTuple):
    """K boxes a pair, best first.

    boxes: (P, K, 4) xyxy network pixels; scores: (P, K) in [0, 1]; valid: (P, K) bool, invalid rows last;
    embeddings: (P, K, D) of unit length, or None.
    """

    boxes: Tensor
    scores: Tensor
    valid: Tensor
    embeddings: Tensor | None = None
