"""Which priors of a window a head learns from: online hard negative mining, for all windows at once."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from torch import Tensor
from torch.nn import functional

from mmgtrack.errors import InputError


class Match(NamedTuple):
    """What N priors of B windows are to the target: each (B, N). A prior can be neither."""

    quality: Tensor  # the higher, the better a positive
    positive: Tensor
    negative: Tensor


class Mined(NamedTuple):
    """K priors a window: their numbers (B, K) int64, and which are positives, or real at all, (B, K) bool."""

    priors: Tensor
    positive: Tensor
    valid: Tensor


def match_one_box(ious: Tensor, assigner: MaxIoUAssigner) -> Match:
    """mmdet's assignment where a window has one box: its thresholds, and the box's best prior.

    ious: (B, N). Unlike mmdet's, a box that no prior overlaps has no best prior.
    """
    ious = ious.nan_to_num(0.0)
    low, high = (
        assigner.neg_iou_thr if isinstance(assigner.neg_iou_thr, tuple) else (0.0, assigner.neg_iou_thr)
    )
    positive = ious >= assigner.pos_iou_thr
    if assigner.match_low_quality:
        best, where = ious.max(1, keepdim=True)
        nearest = ious == best if assigner.gt_max_assign_all else _only(where, ious.shape[1])
        positive = positive | (nearest & (best >= assigner.min_pos_iou) & (best > 0))
    return Match(ious, positive, (ious >= low) & (ious < high) & ~positive)


def background_loss(logits: Tensor) -> Tensor:
    """(B, N): the loss of priors as background; logits (B, N, 1) of a sigmoid, or (B, N, 2) of a softmax."""
    target = logits[..., 0] if logits.shape[-1] == 1 else logits[..., 0] - logits[..., 1]
    return functional.softplus(target)


@dataclass(frozen=True)
class Miner:
    """num_positives + num_negatives = K priors a window, in the ratio of both (paper, 3.2: SSD's 1:3).

    A window with fewer positives has as many fewer negatives, one without has those of one positive.
    Raises InputError unless 1 <= num_positives <= num_negatives.
    """

    num_positives: int = 16
    num_negatives: int = 48

    def __post_init__(self) -> None:
        if not 1 <= self.num_positives <= self.num_negatives:
            raise InputError(
                'num_positives is at least 1 and num_negatives not below it, '
                f'got {self.num_positives} and {self.num_negatives}'
            )

    @torch.no_grad()
    def __call__(self, match: Match, losses: Tensor) -> Mined:
        """The best positives, and the negatives of the highest losses (B, N)."""
        found, first = _best(match.quality, match.positive, self.num_positives)
        allowed = found.sum(1, keepdim=True).clamp(min=1) * self.num_negatives // self.num_positives
        hard, then = _best(losses, match.negative, self.num_negatives)
        hard = hard & (torch.arange(hard.shape[1], device=hard.device) < allowed)
        valid = torch.cat((found, hard), 1)
        return Mined(torch.cat((first, then), 1), functional.pad(found, (0, hard.shape[1])), valid)


def _best(values: Tensor, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Of each row's masked values the ``count`` highest, sorted: which are real, their columns (B, count).

    Where there are fewer columns the first fills up, unreal: samples of one target have to be of one size.
    """
    there = min(count, values.shape[1])
    order = values.masked_fill(~mask, -torch.inf).topk(there, dim=1).indices
    missing = (0, count - there)
    return functional.pad(mask.gather(1, order), missing), functional.pad(order, missing)


def _only(where: Tensor, count: int) -> Tensor:
    """(B, count) bool: true in column ``where`` (B, 1)."""
    return torch.arange(count, device=where.device) == where
