"""STARK's losses: GIoU and L1 of the box, cross-entropy of the score (sections 3.1, 3.2; official code)."""

from typing import Any

import torch
from torch import Tensor

from mmgtrack.geometry import box_iou
from mmgtrack.registry import MODELS


class StarkLoss:
    """Losses of boxes (n, 4) xyxy in parts of the search region, and of score logits (B,).

    Args:
        giou, l1, score: configs of mmdet's losses; by default the official weights 2, 5 and 1.
        drop_giou_of_batch: a single inverted box takes the GIoU term from the whole batch, as the official
            code does without saying so. Otherwise it takes its own only; L1 teaches it to turn around.
    """

    def __init__(
        self,
        giou: dict[str, Any] | None = None,
        l1: dict[str, Any] | None = None,
        score: dict[str, Any] | None = None,
        drop_giou_of_batch: bool = False,
    ) -> None:
        self.giou = MODELS.build(giou or dict(type='mmdet.GIoULoss', loss_weight=2.0))
        self.l1 = MODELS.build(l1 or dict(type='mmdet.L1Loss', loss_weight=5.0))
        self.score = MODELS.build(score or dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True))
        self.drop_giou_of_batch = drop_giou_of_batch

    def of_boxes(self, boxes: Tensor, truth: Tensor, count: int) -> dict[str, Tensor]:
        """loss_giou, loss_l1, and the mean IoU for the log, of n boxes in a batch of ``count`` samples.

        The L1 distance is one of corners, all four alike; truth is clamped to the region (official code).
        """
        truth = truth.clamp(0, 1)
        upright = (boxes[:, 2:] >= boxes[:, :2]).all(1)
        if self.drop_giou_of_batch:
            upright = upright.all().expand(len(boxes))
        weights = upright.to(boxes.dtype)
        # an inverted box has no area; what the loss makes of it must not become no number in its gradient
        shown = torch.where(upright[:, None], boxes, truth)
        overlap = box_iou(boxes.detach(), truth) * weights
        return {
            'loss_giou': self.giou(shown, truth, weights, avg_factor=count),
            'loss_l1': self.l1(boxes, truth, avg_factor=count * 4),
            'iou': overlap.sum() / max(len(boxes), 1),
        }

    def of_scores(self, logits: Tensor, present: Tensor) -> dict[str, Tensor]:
        """loss_score, and the share of right decisions at 0.5 for the log; present: (B,) bool."""
        labels = present.to(logits.device)
        return {
            'loss_score': self.score(logits, labels.to(logits.dtype)),
            'score_accuracy': ((logits.detach() > 0) == labels).to(logits.dtype).mean(),
        }
