"""Max-point loss: the highest point in the box goes to 1, the highest outside it to 0, and nothing else."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.registry import MODELS


class BoxCells(NamedTuple):
    """Which cells of the maps (B, H, W) of one level belong to which box, cells in row-major order.

    inside: (R, H * W) bool of R boxes, those of which nothing is in their image left out; owners: (R,) int64
    image of each; valid: (B, H * W) bool, not padding.
    """

    inside: Tensor
    owners: Tensor
    valid: Tensor

    def background(self) -> Tensor:
        """(B, H * W) bool: valid cells in no box of their image."""
        covered = torch.zeros_like(self.valid, dtype=self.inside.dtype).long()
        return self.valid & (covered.index_add(0, self.owners, self.inside.long()) == 0)


@MODELS.register_module()
class MaxPointLoss(nn.Module):
    """Train a fixed number of points a map, whatever the size of the box.

    In the map of an image, the ``num_points`` highest logits in each box go to 1 and the ``num_points``
    highest in no box to 0, by binary cross-entropy. A point on the right side of p = 0.5 costs nothing (at
    0.5 it does). The loss of a map is the mean over its boxes of the mean over a box's points, plus the mean
    over those outside. Of equal logits the first in row-major order are taken.

    Cell (i, j) of a map of stride s stands for the point ((j + 0.5) s, (i + 0.5) s). A box has the valid
    cells whose points x1 <= x < x2, y1 <= y < y2 are in it after clipping to the image, else the one that
    holds its centre. Cells whose point is outside the image, in the padding, take no part.

    Args:
        num_points: k.
        dead_zone: points on the right side of 0.5 cost nothing; else they cost what they do in
            cross-entropy.
        only_maximum: train the ``num_points`` highest of the whole map alone, to 1 in a box and to 0 outside.
            The note rejects it: at first the highest point is nearly always outside, so that all goes to 0.
        loss_weight: factor of the result.

    Source: the small-object global tracking note, section 2.1. Raises InputError for ``num_points`` below 1.
    """

    def __init__(
        self,
        num_points: int = 1,
        dead_zone: bool = True,
        only_maximum: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if num_points < 1:
            raise InputError(f'num_points must be at least 1, got {num_points}')
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
        _check(maps, boxes, strides, shapes)
        shares = maps[0].new_full((len(shapes),), 1 / len(shapes)) if shares is None else shares
        losses = [
            self.map_losses(logits, boxes, stride, shapes)
            for logits, stride in zip(maps, strides, strict=True)
        ]
        return self.loss_weight * (torch.stack(losses) * shares).sum() / len(maps)

    def map_losses(
        self, logits: Tensor, boxes: Sequence[Tensor], stride: int, shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """(B,) losses of the maps (B, 1, H, W) of one level; arguments as in ``forward``."""
        cells = cells_of_boxes(boxes, stride, shapes, logits)
        flat = logits.flatten(1).to(torch.promote_types(logits.dtype, torch.float32))
        if self.only_maximum:
            return self._losses_of_maximum(flat, cells)
        outside = self._mean_cost(flat, top_cells(flat, cells.background(), self.num_points), target=0)
        own = flat[cells.owners]
        inside = self._mean_cost(own, top_cells(own, cells.inside, self.num_points), target=1)
        counts = torch.bincount(cells.owners, minlength=len(flat)).clamp(min=1)
        return outside + torch.zeros_like(outside).index_add(0, cells.owners, inside) / counts

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


def cells_of_boxes(
    boxes: Sequence[Tensor], stride: int, shapes: Sequence[tuple[int, int]], like: Tensor
) -> BoxCells:
    """The cells of each image's boxes in its map; ``like``: maps (B, ..., H, W) of this stride.

    Arguments as in ``MaxPointLoss.forward``.
    """
    height, width = like.shape[-2:]
    owners = torch.arange(len(boxes), device=like.device).repeat_interleave(
        torch.tensor([len(each) for each in boxes], device=like.device)
    )
    corners = torch.cat(list(boxes)).to(like.device)
    corners = corners.to(torch.promote_types(corners.dtype, torch.float32))
    limits = corners.new_tensor([[w, h, w, h] for h, w in shapes])
    x, y = (
        (torch.arange(n, device=like.device, dtype=corners.dtype) + 0.5) * stride for n in (width, height)
    )
    in_columns, in_rows = x < limits[:, 2:3], y < limits[:, 3:]
    valid = (in_rows[:, :, None] & in_columns[:, None]).flatten(1)

    clipped = torch.minimum(corners.clamp(min=0), limits[owners])
    kept = (clipped[:, 2:] > clipped[:, :2]).all(1)
    clipped, owners = clipped[kept], owners[kept]
    x1, y1, x2, y2 = clipped.T[..., None]
    columns = (x1 <= x) & (x < x2) & in_columns[owners]
    rows = (y1 <= y) & (y < y2) & in_rows[owners]
    # a box between the points: the cell of its centre, none after the last valid one
    missed = ~(columns.any(1) & rows.any(1))
    columns = columns.where(~missed[:, None], _cell_of((x1 + x2) / 2, stride, in_columns[owners]))
    rows = rows.where(~missed[:, None], _cell_of((y1 + y2) / 2, stride, in_rows[owners]))
    return BoxCells((rows[:, :, None] & columns[:, None]).flatten(1), owners, valid)


def _cell_of(centres: Tensor, stride: int, valid: Tensor) -> Tensor:
    """(R, n) bool, the one cell along an axis that holds each centre (R, 1); none where no cell is valid."""
    index = torch.minimum((centres / stride).floor().long(), valid.sum(1, keepdim=True) - 1)
    return torch.arange(valid.shape[1], device=valid.device) == index


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


def _check(
    maps: Sequence[Tensor],
    boxes: Sequence[Tensor],
    strides: Sequence[int],
    shapes: Sequence[tuple[int, int]],
) -> None:
    if not maps or len(maps) != len(strides):
        raise InputError(f'expected a map for each stride, got {len(maps)} maps and strides {list(strides)}')
    if not shapes or len(boxes) != len(shapes):
        raise InputError(
            f'expected boxes and a shape for each image, got {len(boxes)} and {len(shapes)} of them'
        )
    for logits in maps:
        if logits.ndim != 4 or tuple(logits.shape[:2]) != (len(shapes), 1):
            raise InputError(f'expected maps ({len(shapes)}, 1, H, W), got {tuple(logits.shape)}')
    for each in boxes:
        if each.ndim != 2 or each.shape[1] != 4 or not bool(each.isfinite().all()):
            raise InputError(f'expected finite boxes (n, 4) of each image, got {each.tolist()}')
