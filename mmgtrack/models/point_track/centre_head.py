"""The control: a heat map of the target's centre, Gaussians and focal loss, by mmdet's CenterNet head."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from mmdet.models.dense_heads import CenterNetHead
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.geometry import clip_boxes
from mmgtrack.models.detections import keep_best
from mmgtrack.models.pairs import Detections
from mmgtrack.models.point_track.box_cells import check_boxes
from mmgtrack.models.point_track.peaks import highest_peaks, points_inside
from mmgtrack.registry import MODELS


class CentreMaps(NamedTuple):
    """Of P targets on the finest map, as lists of one: heat (P, 1, H, W) in [0, 1], sizes and offsets
    (P, 2, H, W) in cells."""

    heat: list[Tensor]
    sizes: list[Tensor]
    offsets: list[Tensor]


@MODELS.register_module()
class CentreHead(CenterNetHead):
    """CenterNet's head (Zhou et al., 2019) on the finest map of a pyramid that knows the target.

    Args:
        stride: of the first map, the one that is looked at (``levels``).
        num_classes: is 1, the target.
        Everything else as in mmdet's ``CenterNetHead``; test_cfg: ``max_per_img``.
    """

    levels: ClassVar[Sequence[int]] = (0,)
    test_keys: ClassVar[Sequence[str]] = ('max_per_img',)

    def __init__(self, *args: Any, stride: int = 4, num_classes: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, num_classes=num_classes, **kwargs)
        self.strides = [stride]

    def forward(self, maps: Sequence[Tensor]) -> CentreMaps:
        """maps: (P, C, H, W) of its one level, modulated by each target."""
        heat, sizes, offsets = super().forward(tuple(maps))
        return CentreMaps(heat, sizes, offsets)

    def forward_single(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """mmdet's, with the sigmoid in single precision: in half of it, all above 0.998 is 1."""
        heat = self.heatmap_head(x)
        precise = heat.to(torch.promote_types(heat.dtype, torch.float32))
        return precise.sigmoid(), self.wh_head(x), self.offset_head(x)

    @torch.no_grad()
    def detect(self, outputs: CentreMaps, limits: Tensor) -> Detections:
        """Boxes at the local maxima of the heat map, best first; limits: (P, 4) of ``box_limits``."""
        found, cells = self._peaks(outputs, limits)
        sizes = outputs.sizes[0].flatten(2).to(limits.dtype).transpose(1, 2)
        half = sizes.take_along_dim(cells[..., None], 1).clamp(min=0) * self.strides[0] / 2
        boxes = found.boxes + torch.cat([-half, half], 2)
        boxes = torch.minimum(boxes.clamp(min=0), limits[:, None])
        return keep_best(boxes, found.scores, found.valid, self.test_cfg['max_per_img'])

    @torch.no_grad()
    def find_points(self, outputs: CentreMaps, limits: Tensor) -> Detections:
        """The same centres, as boxes without area."""
        return self._peaks(outputs, limits)[0]

    def _peaks(self, outputs: CentreMaps, limits: Tensor) -> tuple[Detections, Tensor]:
        """The best local maxima as boxes without area (P, K, 4), and their cells (P, K)."""
        heat = outputs.heat[0][:, 0].to(limits.dtype)
        stride = self.strides[0]
        inside = points_inside(limits, heat.shape[-2:], stride, offset=0.0)
        peaks = highest_peaks(heat, inside, self.test_cfg['max_per_img'])
        cells = peaks.rows * heat.shape[-1] + peaks.columns
        offsets = outputs.offsets[0].flatten(2).to(limits.dtype).transpose(1, 2)
        corner = torch.stack([peaks.columns, peaks.rows], 2)
        points = (corner + offsets.take_along_dim(cells[..., None], 1)) * stride
        points = torch.minimum(points.clamp(min=0), limits[:, None, :2])  # offsets may leave the frame
        valid = peaks.valid & points.isfinite().all(-1)
        return Detections(points.repeat(1, 1, 2), peaks.scores, valid), cells

    def loss_of_pairs(
        self,
        outputs: CentreMaps,
        truths: list[InstanceData],
        shapes: Sequence[tuple[int, int]],
        shares: Tensor,
    ) -> dict[str, Tensor]:
        """Losses of P pairs as mmdet has them for one image, weighted by ``shares`` (P,), which sum to 1.

        truths: 0 or 1 boxes a pair; shapes: (h, w) of each pair's image without padding. A box is clipped to
        the image, and dropped if nothing is left. Padding is background, as in mmdet. Raises InputError for
        boxes that are not finite (n, 4).
        """
        check_boxes([truth.bboxes for truth in truths], len(shapes))
        truths = [_inside(truth, shape) for truth, shape in zip(truths, shapes, strict=True)]
        heat, sizes, offsets = (
            leaf[0].to(torch.promote_types(leaf[0].dtype, torch.float32)) for leaf in outputs
        )
        padded = tuple(side * self.strides[0] for side in heat.shape[-2:])
        targets, _ = self.get_targets(
            [truth.bboxes for truth in truths], [truth.labels for truth in truths], heat.shape, padded
        )
        share = shares[:, None, None, None]
        weight = targets['wh_offset_target_weight'] * share / 2  # two numbers a target (mmdet)
        return dict(
            loss_heat=self.loss_center_heatmap(
                heat, targets['center_heatmap_target'], weight=share.expand_as(heat), avg_factor=1.0
            ),
            loss_size=self.loss_wh(sizes, targets['wh_target'], weight, avg_factor=1.0),
            loss_offset=self.loss_offset(offsets, targets['offset_target'], weight, avg_factor=1.0),
        )


def _inside(truth: InstanceData, shape: tuple[int, int]) -> InstanceData:
    """The boxes clipped to an image of (h, w), without those of which nothing is in it."""
    boxes = clip_boxes(truth.bboxes, shape)
    kept = (boxes[:, 2:] > boxes[:, :2]).all(1)
    return InstanceData(bboxes=boxes[kept], labels=truth.labels[kept])
