"""Detections of P (frame, target) pairs at once: top-k, decode, clip, NMS, without a loop over pairs."""

from collections.abc import Sequence

import torch
from mmdet.models.task_modules.coders import BaseBBoxCoder
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


def select_proposals(
    scores: Sequence[Tensor],
    deltas: Sequence[Tensor],
    anchors: Sequence[Tensor],
    coder: BaseBBoxCoder,
    limits: Tensor,
    cfg: ConfigDict,
) -> Detections:
    """RPN outputs to proposals (official GlobalTrack: NMS inside each level, then the best over levels).

    scores: per level (P, A, H, W) logits; deltas: per level (P, 4A, H, W); anchors: per level (H*W*A, 4);
    limits: (P, 4) of ``box_limits``. cfg: nms_pre, nms, max_per_img, min_bbox_size.
    """
    levels = [
        _level_candidates(s, d, a, coder, limits, cfg)
        for s, d, a in zip(scores, deltas, anchors, strict=True)
    ]
    boxes, level_scores, valid = zip(*levels, strict=True)
    return keep_best(torch.cat(boxes, 1), torch.cat(level_scores, 1), torch.cat(valid, 1), cfg.max_per_img)


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


def _level_candidates(
    scores: Tensor,
    deltas: Tensor,
    anchors: Tensor,
    coder: BaseBBoxCoder,
    limits: Tensor,
    cfg: ConfigDict,
) -> Detections:
    """The best anchors of one level, decoded, clipped and thinned by NMS: (P, k) rows."""
    logits = scores.permute(0, 2, 3, 1).flatten(1).nan_to_num(-torch.inf, -torch.inf, -torch.inf)
    offsets = deltas.permute(0, 2, 3, 1).reshape(len(deltas), -1, 4)
    # of the whole level only the best: sorting it all took a tenth of the light model's time for four targets
    order = logits.topk(min(cfg.nms_pre, logits.shape[1]), dim=1).indices
    ranked = logits.gather(1, order).sigmoid()
    offsets = offsets.gather(1, order[..., None].expand(-1, -1, 4))
    boxes = coder.decode(anchors[order].flatten(0, 1), offsets.flatten(0, 1)).view(*order.shape, 4)
    boxes = torch.minimum(boxes.clamp(min=0), limits[:, None])
    valid = (boxes[..., 2:] - boxes[..., :2] > cfg.min_bbox_size).all(-1)
    keep = suppress(boxes, valid, cfg.nms)
    return Detections(boxes, ranked, keep)
