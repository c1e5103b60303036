"""One point a target on every level of a pyramid, and the box around it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmdet.structures.bbox import distance2bbox
from mmengine.model import BaseModule, ModuleList
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torch.nn import functional

from mmgtrack.errors import InputError
from mmgtrack.models.detections import box_limits, keep_best, suppress
from mmgtrack.models.pairs import Detections
from mmgtrack.models.point_track.box_cells import (
    BoxCells,
    cell_points,
    cells_of_boxes,
    last_valid_cells,
)
from mmgtrack.models.point_track.peaks import highest_peaks, points_inside, shifts_between_cells
from mmgtrack.registry import MODELS

LARGEST_EXPONENT = 6.0
"""Of e, for a distance in units of ``size_start``: 400 of them, beyond any frame."""


class PointMaps(NamedTuple):
    """What the head says of P targets, a level.

    points: logits (P, 1, H, W) that a cell's point is on the target; distances: (P, 4, H, W) from it to the
    left, upper, right and lower side of the box, in network pixels.
    """

    points: list[Tensor]
    distances: list[Tensor]


@MODELS.register_module()
class PointHead(BaseModule):
    """Says of every cell of maps that know the target whether its point is on the target, and what box.

    Every level looks for targets of every size, and each is supervised (deep supervision). What comes out is
    the mean of their logits on the finest of them: its highest point is the target's, p = sigmoid. The box
    is the mean of the levels' boxes there, weighted by the softmax of their logits; of a small target, only
    levels whose cells are no larger count.

    Args:
        in_channels, feat_channels: of the maps, and of the convolutions.
        strides: of the maps.
        stacked_convs: convolutions of a level before its outputs.
        depthwise: they are depth-wise separable ones.
        share_levels: one set of convolutions for all levels, instead of one a level.
        levels: indices of the maps that are looked at; default all.
        supervise_fused: the mean is supervised too, as one more level.
        size_start: pixels that distances begin with.
        norm_cfg: of the convolutions.
        loss_point: config of ``MaxPointLoss``, or of another loss with its ``loss_in_cells``.
        loss_size: config of one of mmdet's losses of boxes; an object weighs the same whatever its area.
        test_cfg: ``max_per_img``, ``nms``.

    Raises InputError for strides that do not grow and levels that are not there.
    """

    test_keys: ClassVar[Sequence[str]] = ('max_per_img', 'nms')

    def __init__(
        self,
        in_channels: int,
        feat_channels: int,
        strides: Sequence[int],
        stacked_convs: int = 2,
        depthwise: bool = False,
        share_levels: bool = False,
        levels: Sequence[int] | None = None,
        supervise_fused: bool = True,
        size_start: float = 24.0,
        norm_cfg: dict[str, Any] | None = None,
        loss_point: dict[str, Any] | None = None,
        loss_size: dict[str, Any] | None = None,
        train_cfg: Any = None,
        test_cfg: Any = None,
        init_cfg: Any = None,
    ) -> None:
        del train_cfg  # of mmdet's detectors, which hand it to every head
        super().__init__(init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        if list(strides) != sorted(set(strides)):
            raise InputError(f'strides must grow from level to level, got {list(strides)}')
        self.num_maps = len(strides)
        self.levels = sorted(set(range(len(strides)) if levels is None else levels))
        if not self.levels or not set(self.levels) <= set(range(len(strides))):
            raise InputError(f'levels must be some of 0 to {len(strides) - 1}, got {levels}')
        self.strides = [strides[level] for level in self.levels]
        self.share_levels, self.supervise_fused = share_levels, supervise_fused
        self.size_start, self.test_cfg = size_start, test_cfg
        convolution = DepthwiseSeparableConvModule if depthwise else ConvModule
        widths = [in_channels, *[feat_channels] * stacked_convs]
        self.towers = ModuleList(
            nn.Sequential(*(convolution(a, b, 3, padding=1, norm_cfg=norm_cfg) for a, b in pairwise(widths)))
            for _ in range(1 if share_levels else len(self.levels))
        )
        # 5 outputs: the point's logit, and the logarithms of 4 distances
        self.outputs = ModuleList(nn.Conv2d(widths[-1], 5, 3, padding=1) for _ in self.towers)
        self.loss_point = MODELS.build(loss_point or dict(type='mmgtrack.MaxPointLoss'))
        self.loss_size = MODELS.build(loss_size or dict(type='mmdet.GIoULoss'))

    def forward(self, maps: Sequence[Tensor]) -> PointMaps:
        """maps: (P, C, H, W) of its ``levels``, modulated by each target. Raises InputError for others."""
        if len(maps) != len(self.levels):
            raise InputError(f'PointHead expects maps of {len(self.levels)} levels, got {len(maps)}')
        points, distances = [], []
        for place, level in enumerate(maps):
            branch = 0 if self.share_levels else place
            raw = self.outputs[branch](self.towers[branch](level))
            precise = raw.to(torch.promote_types(raw.dtype, torch.float32))
            points.append(precise[:, :1])
            distances.append(precise[:, 1:].clamp(max=LARGEST_EXPONENT).exp() * self.size_start)
        return PointMaps(points, distances)

    def fuse(self, points: Sequence[Tensor], limits: Tensor) -> Tensor:
        """The mean logits (P, 1, H, W) on the finest level; cells of others are spread linearly.

        limits: (P, 4) of ``box_limits``. What a level says of the padding does not reach the image.
        """
        height, width = points[0].shape[-2:]
        spread = [points[0]]
        for level, stride in zip(points[1:], self.strides[1:], strict=True):
            # by the strides' ratio, not to a size: the points of cells must not move where maps were padded
            level = _without_padding(level, limits, stride)
            wide = functional.interpolate(level, scale_factor=stride / self.strides[0], mode='bilinear')
            spread.append(wide[..., :height, :width])
        return torch.stack(spread).mean(0)

    @torch.no_grad()
    def detect(self, outputs: PointMaps, limits: Tensor) -> Detections:
        """Boxes around the highest points, best first; limits: (P, 4) of ``box_limits``."""
        found, cells = self._peaks(outputs, limits)
        boxes = self._boxes_at(outputs, cells, limits)
        least, most = found.boxes.chunk(2, dim=2)  # both are the point
        boxes = torch.cat([torch.minimum(boxes[..., :2], least), torch.maximum(boxes[..., 2:], most)], 2)
        boxes = torch.minimum(boxes.clamp(min=0), limits[:, None])
        found = keep_best(boxes, found.scores, found.valid, found.scores.shape[1])
        keep = suppress(found.boxes, found.valid, self.test_cfg['nms'])
        return keep_best(found.boxes, found.scores, keep, self.test_cfg['max_per_img'])

    @torch.no_grad()
    def find_points(self, outputs: PointMaps, limits: Tensor) -> Detections:
        """The same points as ``detect`` looks at, as boxes without area."""
        return self._peaks(outputs, limits)[0]

    def _peaks(self, outputs: PointMaps, limits: Tensor) -> tuple[Detections, Tensor]:
        """The best local maxima as boxes without area (P, K, 4), and their cells' points (P, K, 2) x, y."""
        logits = self.fuse(outputs.points, limits)[:, 0].to(limits.dtype)
        inside = points_inside(limits, logits.shape[-2:], self.strides[0], offset=0.5)
        inside = inside & logits.isfinite()
        peaks = highest_peaks(logits.sigmoid(), inside, 4 * self.test_cfg['max_per_img'])
        cells = torch.stack([peaks.columns, peaks.rows], dim=2).to(limits.dtype)
        maxima = cell_points(cells + shifts_between_cells(logits, inside, peaks), self.strides[0])
        found = Detections(maxima.repeat(1, 1, 2), peaks.scores, peaks.valid)
        return found, cell_points(cells, self.strides[0])

    def _boxes_at(self, outputs: PointMaps, points: Tensor, limits: Tensor) -> Tensor:
        """The levels' boxes (P, K, 4) at points (P, K, 2), weighted by how sure each level is there.

        Levels whose cells are larger than the finest level's box do not count: they know it no better than
        a cell.
        """
        boxes, logits = [], []
        for scores, distances, stride in zip(*outputs, self.strides, strict=True):
            # a large cell that holds a point of the image may have its own in the padding
            last = torch.stack(last_valid_cells(limits, scores.shape[-2:], stride), -1)
            places = torch.minimum((points / stride).long(), last)
            cells = (places[..., 1] * scores.shape[-1] + places[..., 0])[:, None]
            logits.append(scores.flatten(2).gather(2, cells)[:, 0])
            found = distances.flatten(2).gather(2, cells.expand(-1, 4, -1)).transpose(1, 2)
            boxes.append(distance2bbox(cell_points(places, stride), found))
        every = torch.stack(boxes)
        target_size = (every[0, ..., 2:] - every[0, ..., :2]).prod(-1).sqrt()
        strides = target_size.new_tensor(self.strides)[:, None, None]
        too_coarse = (strides > target_size) & (strides > self.strides[0])
        weights = torch.stack(logits).masked_fill(too_coarse, -torch.inf).softmax(0)
        counted = every.masked_fill(too_coarse[..., None], 0)  # 0 * NaN would be NaN
        return (counted * weights[..., None]).sum(0).to(points.dtype)

    def loss_of_pairs(
        self,
        outputs: PointMaps,
        truths: list[InstanceData],
        shapes: Sequence[tuple[int, int]],
        shares: Tensor,
    ) -> dict[str, Tensor]:
        """Losses of P pairs, weighted by ``shares`` (P,), which sum to 1.

        truths: 0 or 1 boxes a pair; shapes: (h, w) of each pair's image without padding. Raises InputError
        where these do not fit together, and for boxes that are not finite.
        """
        boxes = [truth.bboxes for truth in truths]
        cells = cells_of_boxes(outputs.points, boxes, self.strides, shapes)
        sizes = [
            self._size_loss(distances, torch.cat(boxes), level, stride, shares)
            for distances, level, stride in zip(outputs.distances, cells, self.strides, strict=True)
        ]
        maps = outputs.points
        if self.supervise_fused and len(maps) > 1:
            fused = self.fuse(maps, box_limits(shapes, like=shares))
            maps, cells = [*maps, fused], [*cells, cells[0]]
        return dict(
            loss_point=self.loss_point.loss_in_cells(maps, cells, shares),
            loss_size=torch.stack(sizes).mean(),
        )

    def _size_loss(
        self, distances: Tensor, boxes: Tensor, cells: BoxCells, stride: int, shares: Tensor
    ) -> Tensor:
        """Of one level: each of the boxes (R, 4) the mean over its cells, so that its area does not count."""
        rows, places = cells.inside.nonzero(as_tuple=True)
        owners = cells.owners[rows]
        found = distances.flatten(2).transpose(1, 2)[owners, places]
        if not len(found):  # nothing to learn, and still part of the graph
            return distances.sum() * 0
        width = distances.shape[-1]
        points = cell_points(torch.stack([places % width, places // width], 1), stride)
        decoded = distance2bbox(points, found)
        weight = shares[owners] / cells.inside.sum(1)[rows] / cells.num_boxes()[owners]
        loss: Tensor = self.loss_size(decoded, boxes.to(found)[rows], weight=weight, avg_factor=1.0)
        return loss


def _without_padding(level: Tensor, limits: Tensor, stride: int) -> Tensor:
    """A level (P, C, H, W) in which cells of the padding repeat the last row and column of the image."""
    height, width = level.shape[-2:]
    columns, rows = last_valid_cells(limits, (height, width), stride)
    columns = torch.arange(width, device=level.device).minimum(columns)[:, None, None]
    rows = torch.arange(height, device=level.device).minimum(rows)[:, None, :, None]
    return level.take_along_dim(rows, 2).take_along_dim(columns, 3)
