"""Max-point loss: the highest point in the box goes to 1, the highest outside it to 0, and nothing else."""

from collections.abc import Sequence
from typing import NamedTuple

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
        if not isinstance(num_points, int) or isinstance(num_points, bool) or num_points < 1:
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
        found = top_cells(flat, cells.background(), self.num_points)
        outside = self._mean_cost(flat.gather(1, found.cells), found.exists, target=0)
        found = top_cells(flat[cells.owners], cells.inside, self.num_points)
        inside = self._mean_cost(flat[cells.owners[:, None], found.cells], found.exists, target=1)
        boxes = torch.zeros_like(outside).index_add(0, cells.owners, inside)
        return outside + boxes / cells.num_boxes().clamp(min=1)

    def _losses_of_maximum(self, flat: Tensor, cells: BoxCells) -> Tensor:
        index, exists = top_cells(flat, cells.valid, self.num_points)
        points, outside = flat.gather(1, index), cells.background().gather(1, index)
        costs = self._costs(points, exists & outside, 0) + self._costs(points, exists & ~outside, 1)
        return costs.sum(1) / exists.sum(1).clamp(min=1)

    def _mean_cost(self, points: Tensor, exists: Tensor, target: int) -> Tensor:
        """(R,) means over the points of each row that exist; 0 for a row without any."""
        return self._costs(points, exists, target).sum(1) / exists.sum(1).clamp(min=1)

    def _costs(self, points: Tensor, chosen: Tensor, target: int) -> Tensor:
        """Cross-entropy (R, k) of the chosen points, 0 of others, whatever they are."""
        wrong = -points if target else points  # how far on the wrong side
        free = ~chosen | (wrong < 0) if self.dead_zone else ~chosen  # what is not a number is not, to be seen
        return functional.softplus(wrong.masked_fill(free, -torch.inf))


class TopCells(NamedTuple):
    """cells: (R, k) int64 of cells in no order; exists: (R, k) bool, whether there are that many."""

    cells: Tensor
    exists: Tensor


@torch.no_grad()
def top_cells(logits: Tensor, cells: Tensor, count: int) -> TopCells:
    """The ``count`` highest of the cells (R, n) bool, or all where they are fewer; logits: (R, n).

    Of equal logits the first ones: torch's topk takes any.
    """
    size = logits.shape[1]
    count = min(count, size)
    among = logits.masked_fill(~cells, -torch.inf)
    least = among.topk(count, dim=1, sorted=True).values[:, -1:]
    above = (among > least) | among.isnan()
    # cells above the least of them, then those equal to it from the first on, then nothing
    order = torch.arange(size, 0, -1, dtype=torch.int32, device=logits.device)
    rank = order.where(cells & (among == least), 0).masked_fill(above, size + 1)
    best, index = rank.topk(count, dim=1, sorted=False)
    return TopCells(index, best > 0)
