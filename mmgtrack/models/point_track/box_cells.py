"""Which cells of the maps of a pyramid have their points in which box."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmgtrack.errors import InputError


class BoxCells(NamedTuple):
    """Of the maps (B, ..., H, W) of one level, cells in row-major order.

    inside: (R, H * W) bool, the cells of each of the R boxes of all images, none of a box of which nothing is
    in its image; owners: (R,) int64 image of each; valid: (B, H * W) bool, not padding.
    """

    inside: Tensor
    owners: Tensor
    valid: Tensor

    def background(self) -> Tensor:
        """(B, H * W) bool: valid cells in no box of their image."""
        covered = self.valid.new_zeros(self.valid.shape, dtype=torch.int32)
        return self.valid & (covered.index_add(0, self.owners, self.inside.int()) == 0)

    def num_boxes(self) -> Tensor:
        """(B,) int64: boxes of each image that have cells."""
        has_cells = self.inside.any(1).long()
        return has_cells.new_zeros(len(self.valid)).index_add(0, self.owners, has_cells)


def cell_points(numbers: Tensor, stride: int, offset: float = 0.5) -> Tensor:
    """Pixels, along an axis or for both, of the points that cells of these columns or rows stand for."""
    return (numbers + offset) * stride


def axis_points(size: Sequence[int], stride: int, like: Tensor, offset: float = 0.5) -> tuple[Tensor, Tensor]:
    """The same for all rows, y (H,), and columns, x (W,), of maps of this size (H, W)."""
    y, x = (cell_points(torch.arange(n, device=like.device, dtype=like.dtype), stride, offset) for n in size)
    return y, x


def last_valid_cells(limits: Tensor, size: Sequence[int], stride: int) -> tuple[Tensor, Tensor]:
    """(P, 1) int64 last column and last row whose points are in each image, 0 where none is.

    limits: (P, 4) w, h, w, h of the images; size: (H, W) of their maps.
    """
    y, x = axis_points(size, stride, like=limits)
    in_columns, in_rows = x < limits[:, :1], y < limits[:, 1:2]
    columns, rows = (valid.sum(1, keepdim=True).clamp(min=1) - 1 for valid in (in_columns, in_rows))
    return columns, rows


def cells_of_boxes(
    maps: Sequence[Tensor],
    boxes: Sequence[Tensor],
    strides: Sequence[int],
    shapes: Sequence[tuple[int, int]],
) -> list[BoxCells]:
    """The cells of each image's boxes, a level.

    Cell (i, j) of a map of stride s stands for the point ((j + 0.5) s, (i + 0.5) s); cells whose point is
    outside the image, in the padding, are not valid. A box has the valid cells whose points x1 <= x < x2,
    y1 <= y < y2 are in it after clipping to the image, else the one that holds its centre.

    maps: (B, ..., H, W) a level, of which only the sizes count; boxes: (n, 4) xyxy pixels an image, n may be
    0; strides: of the levels; shapes: (h, w) of each image without padding. Raises InputError where these do
    not fit together, and for boxes that are not finite.
    """
    check_boxes(boxes, len(shapes))
    _check_maps(maps, strides, shapes)
    device = maps[0].device
    corners = torch.cat(list(boxes)).to(device)
    corners = corners.to(torch.promote_types(corners.dtype, torch.float32))
    counts = torch.tensor([len(each) for each in boxes], device=device)
    owners = torch.arange(len(boxes), device=device).repeat_interleave(counts, output_size=len(corners))
    limits = corners.new_tensor([[w, h, w, h] for h, w in shapes])
    clipped = torch.minimum(corners.clamp(min=0), limits[owners])
    return [
        _cells_of_level(clipped, owners, limits, stride, logits.shape[-2:])
        for logits, stride in zip(maps, strides, strict=True)
    ]


def _cells_of_level(
    clipped: Tensor, owners: Tensor, limits: Tensor, stride: int, size: Sequence[int]
) -> BoxCells:
    """clipped: boxes (R, 4); limits: (B, 4) w, h, w, h; size: (H, W) of the maps."""
    y, x = axis_points(size, stride, like=limits)
    in_columns, in_rows = x < limits[:, 2:3], y < limits[:, 3:]
    x1, y1, x2, y2 = clipped.T[..., None]
    columns = (x1 <= x) & (x < x2) & in_columns[owners]
    rows = (y1 <= y) & (y < y2) & in_rows[owners]
    # a box between the points: the cell of its centre, none after the last valid one
    missed = ~(columns.any(1, keepdim=True) & rows.any(1, keepdim=True))
    columns = columns.where(~missed, _cell_of((x1 + x2) / 2, stride, in_columns[owners]))
    rows = rows.where(~missed, _cell_of((y1 + y2) / 2, stride, in_rows[owners]))
    rows = rows & (x2 > x1) & (y2 > y1)
    return BoxCells(_outer(rows, columns), owners, _outer(in_rows, in_columns))


def _cell_of(centres: Tensor, stride: int, valid: Tensor) -> Tensor:
    """(R, n) bool, the one cell along an axis that holds each centre (R, 1); none where no cell is valid."""
    index = torch.minimum((centres / stride).floor().long(), valid.sum(1, keepdim=True) - 1)
    return torch.arange(valid.shape[1], device=valid.device) == index


def _outer(rows: Tensor, columns: Tensor) -> Tensor:
    return (rows[:, :, None] & columns[:, None]).flatten(1)


def check_boxes(boxes: Sequence[Tensor], num_images: int) -> None:
    """Raises InputError unless there are finite boxes (n, 4) for each of at least one image."""
    if not num_images or len(boxes) != num_images:
        raise InputError(
            f'expected boxes and a shape for each of 1 or more images, got {len(boxes)} and {num_images}'
        )
    for each in boxes:
        if each.ndim != 2 or each.shape[1] != 4:
            raise InputError(f'expected boxes (n, 4) of each image, got {tuple(each.shape)}')
    together = torch.cat(list(boxes))
    finite = together.isfinite().all(1)
    if not bool(finite.all()):  # all else here is queued on the device; this waits for it
        raise InputError(f'expected finite boxes, got {together[~finite].tolist()}')


def _check_maps(maps: Sequence[Tensor], strides: Sequence[int], shapes: Sequence[tuple[int, int]]) -> None:
    """ceil(side / stride) cells must be those of one padded size that holds every image."""
    if not maps or len(maps) != len(strides):
        raise InputError(f'expected a map for each stride, got {len(maps)} maps and strides {list(strides)}')
    for logits in maps:
        if logits.ndim < 3 or len(logits) != len(shapes):
            raise InputError(f'expected maps of {len(shapes)} images, got {tuple(logits.shape)}')
    sizes = [tuple(logits.shape[-2:]) for logits in maps]
    for axis, needed in enumerate(map(max, zip(*shapes, strict=True))):
        least = max(stride * (size[axis] - 1) for stride, size in zip(strides, sizes, strict=True))
        most = min(stride * size[axis] for stride, size in zip(strides, sizes, strict=True))
        if not (least < most and needed <= most):
            raise InputError(
                f'expected maps of one size in pixels that holds images (h, w) {list(shapes)}, got '
                f'sizes {sizes} at strides {list(strides)}'
            )
