"""Choosing among the boxes of P (frame, target) pairs at once: limits, NMS, the best; no loop over pairs."""

from collections.abc import Sequence

from mmengine.config import ConfigDict
from torch import Tensor

from mmgtrack.models.pairs import Detections
from mmgtrack.ops import batched_greedy_nms


def box_limits(shapes: Sequence[tuple[int, int]], like: Tensor, inclusive: bool = False) -> Tensor:
    """(N, 4) limits w, h, w, h of boxes in images of (h, w); one less where corners are inclusive pixels."""
    return like.new_tensor([[w, h, w, h] for h, w in shapes]) - int(inclusive)


def suppress(boxes: Tensor, valid: Tensor, cfg: ConfigDict, scale: Tensor | float = 1.0) -> Tensor:
    """Greedy NMS of sorted boxes (P, K, 4) inside each pair: (P, K) bool, which of the valid ones stay.

    cfg: ``iou_threshold``, and ``offset``, the width that a box has beyond x2 - x1: 1 where corners are
    inclusive pixels, else 0 (default). scale: (P, 1, 1), in how many of the boxes' pixels the offset counts.
    """
    extent = boxes.new_tensor([0, 0, 1, 1]) * cfg.get('offset', 0) * scale
    return batched_greedy_nms(boxes + extent, cfg.iou_threshold, valid)


def keep_best(boxes: Tensor, scores: Tensor, valid: Tensor, count: int) -> Detections:
    """The ``count`` best valid rows of each pair, sorted by score, stable among equals.

    Rows with a number that is not finite are not valid.
    """
    valid = valid & scores.isfinite() & boxes.isfinite().all(-1)
    ranked, order = scores.masked_fill(~valid, -1).sort(dim=1, descending=True, stable=True)
    order = order[:, :count]
    return Detections(
        boxes.gather(1, order[..., None].expand(-1, -1, 4)),
        ranked[:, :count].clamp(min=0),
        valid.gather(1, order),
    )
