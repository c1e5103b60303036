"""Which detection is the target: change of shape and place against the last frame (section 3.4, Eq. 5)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmgtrack.errors import InputError
from mmgtrack.registry import MODELS


def change(ratios: Tensor) -> Tensor:
    """How much a ratio differs from 1, whichever way: at least 1."""
    return torch.maximum(ratios, 1 / ratios)


def context_size(sizes: Tensor) -> Tensor:
    """(...) of sizes (..., 2): side of the square with half a perimeter of context around (SiamRPN)."""
    return (sizes + sizes.mean(-1, keepdim=True)).prod(-1).sqrt()


def shape_penalty(sizes: Tensor, last: Tensor, sigma: float, product: bool = False) -> Tensor:
    """p_sr (...) in (0, 1] of sizes (..., 2), width and height, against the last ones: Eq. 5.

    d_r and d_s are changes of aspect ratio and of context size. As printed, exp(-|d_r + d_s - 1| / sigma):
    exp(-1 / sigma) where nothing changed. product: exp(-|d_r d_s - 1| / sigma), which is 1 there, is what the
    formula is modelled on (SiamRPN).
    """
    ratio = change((sizes[..., 0] / sizes[..., 1]) / (last[..., 0] / last[..., 1]))
    scale = change(context_size(sizes) / context_size(last))
    deviation = ratio * scale if product else ratio + scale
    return torch.exp(-(deviation - 1).abs() / sigma)


def cosine_window(centres: Tensor, side: float) -> Tensor:
    """(...) in [0, 1] of centres (..., 2) in a crop of that side: 1 in its middle, 0 from its border on."""
    offsets = (centres / (side / 2) - 1).clamp(-1, 1)
    return (0.5 + 0.5 * torch.cos(math.pi * offsets)).prod(-1)


class Selection(NamedTuple):
    """The detection of each of M targets.

    best: (M,) int64, its number, 0 where there is none. boxes: (M, 4) xyxy crop pixels, its centre and the
    smoothed size; nan where there is none. scores: (M,) its own, not reweighted; 0 where there is none.
    detections: (M, 4) its own box; nan where there is none.
    """

    best: Tensor
    boxes: Tensor
    scores: Tensor
    detections: Tensor


@MODELS.register_module()
class WindowSelection(nn.Module):
    """The detection that is best after the penalty and the cosine window; its centre, and a smoothed size.

    Args:
        sigma: of the penalty (section 3.4).
        window_influence: share of the cosine window in what detections are ranked by. The paper gives none.
            0.1 beside the printed penalty, which is 0.162 where nothing changed, counts as DaSiamRPN's 0.42
            does beside a penalty of 1.
        size_rate: how far the size moves to the detection's (section 3.4).
        product: the penalty of ``shape_penalty`` as a product.
        confident_rate: the rate is multiplied by score and penalty (SiamRPN); in the paper it is constant.
        smallest: crop pixels that a side has at least, so that a window around it remains one. Ours.
    """

    def __init__(
        self,
        sigma: float = 0.55,
        window_influence: float = 0.1,
        size_rate: float = 0.275,
        product: bool = False,
        confident_rate: bool = False,
        smallest: float = 4,
    ) -> None:
        super().__init__()
        if not (sigma > 0 and smallest > 0 and 0 <= window_influence <= 1 and 0 <= size_rate <= 1):
            raise InputError(
                'a selection needs sigma > 0, smallest > 0, and window_influence and size_rate from 0 to 1, '
                f'got {sigma}, {smallest}, {window_influence} and {size_rate}'
            )
        self.sigma, self.window_influence, self.size_rate = sigma, window_influence, size_rate
        self.product, self.confident_rate, self.smallest = product, confident_rate, smallest

    def forward(self, boxes: Tensor, scores: Tensor, last_sizes: Tensor, side: float) -> Selection:
        """Choose among K >= 0 detections a target.

        boxes: (M, K, 4) xyxy crop pixels, before NMS; scores: (M, K) in [0, 1]; last_sizes: (M, 2) width and
        height of the target in crop pixels, positive; side: of the square crops, in whose middle the
        target was last. A box of no area, or that is not finite or has no finite score, is never chosen.
        """
        nothing = boxes.new_full((len(boxes), 1, 4), torch.nan)
        boxes = torch.cat([boxes, nothing], dim=1)  # so that there is one to gather, whatever K is
        scores = torch.cat([scores, scores.new_zeros((len(scores), 1))], dim=1)
        ranks, penalties = self.rank(boxes, scores, last_sizes, side)
        best = ranks.argmax(1)
        index = best[:, None]
        found = ranks.gather(1, index).isfinite()[:, 0]
        chosen = boxes.take_along_dim(index[..., None], 1)[:, 0]
        score, penalty = (leaf.gather(1, index)[:, 0] for leaf in (scores, penalties))
        sizes = self._smoothed(chosen[:, 2:] - chosen[:, :2], last_sizes, score * penalty, side)
        centres = (chosen[:, :2] + chosen[:, 2:]) / 2
        smoothed = torch.cat([centres - sizes / 2, centres + sizes / 2], dim=1)
        return Selection(
            best=best.where(found, best.new_zeros(())),
            boxes=smoothed.where(found[:, None], nothing[:, 0]),
            scores=score.where(found, score.new_zeros(())),
            detections=chosen.where(found[:, None], nothing[:, 0]),
        )

    def rank(self, boxes: Tensor, scores: Tensor, last_sizes: Tensor, side: float) -> tuple[Tensor, Tensor]:
        """What detections are ranked by (M, K), -inf for those that cannot be chosen, and their penalties."""
        sizes = boxes[..., 2:] - boxes[..., :2]
        penalties = shape_penalty(sizes, last_sizes[:, None], self.sigma, self.product)
        window = cosine_window((boxes[..., :2] + boxes[..., 2:]) / 2, side)
        ranks = scores * penalties * (1 - self.window_influence) + window * self.window_influence
        usable = boxes.isfinite().all(-1) & scores.isfinite() & ranks.isfinite() & (sizes > 0).all(-1)
        return ranks.where(usable, ranks.new_full((), -torch.inf)), penalties

    def _smoothed(self, sizes: Tensor, last: Tensor, confidence: Tensor, side: float) -> Tensor:
        """(M, 2): the last sizes, moved to those found, which count up to the crop's side or the last one."""
        rate = self.size_rate * confidence[:, None] if self.confident_rate else self.size_rate
        shown = torch.minimum(sizes, last.clamp(min=side))
        return (last * (1 - rate) + shown * rate).clamp(min=self.smallest)
