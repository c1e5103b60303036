"""Max-point loss: the highest point in the box goes to 1, the highest outside it to 0, and nothing else."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.models.point_track.box_cells import BoxCells, cells_of_boxes
from mmgtrack.registry import MODELS


@MODELS.register_module()
class MaxPointLoss(nn.Module):
    """Train a fixed number of points a map, whatever the size of the box.

    In the map of an image, the ``num_points`` highest logits in each box go to 1 and the ``num_points``
    highest in no box to 0, by binary cross-entropy. A point on the right side of p = 0.5 costs nothing (at
    0.5 it does). The loss of a map is the mean over its boxes of the mean over a box's points, plus the mean
    over those outside. Of equal logits the first in row-major order are taken. ``cells_of_boxes`` says which
    points are in a box; padding takes no part.

    Args:
        num_points: k.
        dead_zone: points on the right side of 0.5 cost nothing; else they cost what they do in
            cross-entropy.
        only_maximum: train the ``num_points`` highest of the whole map alone, to 1 in a box and to 0 outside.
            The note rejects it: at first the highest point is nearly always outside, so that all goes to 0.
        loss_weight: factor of the result.

    Source: the small-object global tracking note, section 2.1. Raises InputError for ``num_points`` that is
    not a whole number of at least 1.
    """

    def __init__(
        self,
        num_points: int = 1,
        dead_zone: bool = True,
        only_maximum: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if not isinstance(num_points, int) or num_points < 1:
            raise InputError(f'num_points must be a whole number of at least 1, got {num_points!r}')
        self.num_points = num_points
        self.dead_zone = dead_zone
        self.only_maximum = only_maximum
        self.loss_weight = loss_weight

    def forward(
        self,
        maps: Sequence[Tensor],
        boxes: Sequence[Tensor],
        strides: Sequence[int],
        shapes: Sequence[tuple[int, int]],
        shares: Tensor | None = None,
    ) -> Tensor:
        """The mean over levels and images of the maps' losses.

        maps: logits (B, 1, H, W) a level; boxes: (n, 4) xyxy pixels an image, n may be 0; strides: of the
        levels; shapes: (h, w) of each image without padding; shares: (B,) weights of the images that sum to
        1, by default equal ones. Raises InputError where these do not fit together.
        """
        return self.loss_in_cells(maps, cells_of_boxes(maps, boxes, strides, shapes), shares)

    def loss_in_cells(
        self, maps: Sequence[Tensor], cells: Sequence[BoxCells], shares: Tensor | None = None
    ) -> Tensor:
        """The same where the cells of the boxes are known."""
        losses = torch.stack([self.map_losses(*level) for level in zip(maps, cells, strict=True)])
        if shares is None:
            return self.loss_weight * losses.mean()
        if shares.shape != losses.shape[1:]:
            raise InputError(f'expected {losses.shape[1]} shares, one an image, got {tuple(shares.shape)}')
        return self.loss_weight * (losses * shares).sum() / len(maps)

    def map_losses(self, logits: Tensor, cells: BoxCells) -> Tensor:
        """(B,) losses of the maps (B, 1, H, W) of one level."""
        if logits.shape[1:2] != (1,) or logits.ndim != 4:
            raise InputError(f'expected maps (B, 1, H, W), got {tuple(logits.shape)}')
        flat = logits.flatten(1).to(torch.promote_types(logits.dtype, torch.float32))
        if self.only_maximum:
            return self._losses_of_maximum(flat, cells)
        outside = self._mean_cost(flat, top_cells(flat, cells.background(), self.num_points), target=0)
        own = flat[cells.owners]
        inside = self._mean_cost(own, top_cells(own, cells.inside, self.num_points), target=1)
        boxes = torch.zeros_like(outside).index_add(0, cells.owners, inside)
        return outside + boxes / cells.num_boxes().clamp(min=1)

    def _losses_of_maximum(self, flat: Tensor, cells: BoxCells) -> Tensor:
        chosen = top_cells(flat, cells.valid, self.num_points)
        outside = chosen & cells.background()
        count = chosen.sum(1).clamp(min=1)
        parts = ((outside, 0), (chosen & ~outside, 1))
        return sum(self._costs(flat, part, target).sum(1) / count for part, target in parts)  # type: ignore[return-value]

    def _mean_cost(self, logits: Tensor, chosen: Tensor, target: int) -> Tensor:
        """(R,) means over the chosen cells of each row; 0 for a row without any."""
        return self._costs(logits, chosen, target).sum(1) / chosen.sum(1).clamp(min=1)

    def _costs(self, logits: Tensor, chosen: Tensor, target: int) -> Tensor:
        """Cross-entropy (R, H * W) of the chosen cells, 0 elsewhere."""
        wrong = -logits if target else logits  # how far on the wrong side
        trained = (
            chosen & ~(wrong < 0) if self.dead_zone else chosen
        )  # what is not a number stays, to be seen
        return functional.softplus(wrong).where(trained, logits.new_zeros(()))


def top_cells(logits: Tensor, cells: Tensor, count: int) -> Tensor:
    """(R, n) bool: the ``count`` highest of the cells (R, n) bool, or all where they are fewer.

    Of equal logits the first ones: torch's topk takes any.
    """
    if not logits.numel():
        return cells
    among = logits.detach().masked_fill(~cells, -torch.inf)
    least = among.topk(min(count, among.shape[1]), dim=1).values[:, -1:]
    above = cells & ~(among <= least)
    level = cells & (among == least)
    return above | (level & (level.cumsum(1) <= count - above.sum(1, keepdim=True)))
