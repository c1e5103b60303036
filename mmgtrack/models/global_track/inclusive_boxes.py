"""Box arithmetic of the official GlobalTrack code: a box ends at its last pixel, so its width is x2 - x1 + 1.

mmdet 1 counted so everywhere; mmdet 3 keeps ``LegacyAnchorGenerator``, which is equal, and legacy classes
that are almost equal. These mend the rest, for configs/globaltrack_r50_official.py only.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.ops import RoIAlign
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.models.task_modules.assigners import BboxOverlaps2D
from mmdet.models.task_modules.coders import LegacyDeltaXYWHBBoxCoder
from mmengine.config import ConfigDict
from torch import Tensor, nn

from mmgtrack.registry import MODELS, TASK_UTILS


@TASK_UTILS.register_module()
class InclusiveDeltaXYWHBBoxCoder(LegacyDeltaXYWHBBoxCoder):
    """``LegacyDeltaXYWHBBoxCoder`` whose decoded boxes end at their last pixel.

    mmdet's leaves out the official + 0.5 at x1, y1 and - 0.5 at x2, y2, so its boxes are a pixel larger.
    """

    def decode(self, bboxes: Tensor, pred_bboxes: Tensor, **kwargs: Any) -> Tensor:
        """Boxes (N, 4 * C) of anchors or proposals (N, 4) and deltas (N, 4 * C)."""
        boxes = super().decode(bboxes, pred_bboxes, **kwargs)
        half = boxes.new_tensor([0.5, 0.5, -0.5, -0.5])
        return boxes + half.repeat(boxes.shape[-1] // 4)


@TASK_UTILS.register_module()
class InclusiveBboxOverlaps2D(BboxOverlaps2D):
    """Overlaps of boxes that end at their last pixel."""

    def __call__(
        self, bboxes1: Tensor, bboxes2: Tensor, mode: str = 'iou', is_aligned: bool = False
    ) -> Tensor:
        return super().__call__(_continuous(bboxes1), _continuous(bboxes2), mode, is_aligned)


class InclusiveRoIAlign(RoIAlign):
    """RoIAlign of boxes that end at their last pixel, without half a cell's shift.

    A bin's samples lie between x1 * scale and (x2 + 1) * scale, and a box smaller than a cell stays as small
    as it is: mmcv's ``aligned=False`` would widen it, so this is ``aligned=True`` with its shift undone.
    """

    def forward(self, input: Tensor, rois: Tensor) -> Tensor:
        corners, ends = rois[:, 1:3], rois[:, 3:] + 1
        boxes = torch.cat([corners, torch.maximum(corners, ends)], dim=1) + 0.5 / self.spatial_scale
        return super().forward(input, torch.cat([rois[:, :1], boxes], dim=1))


@MODELS.register_module()
class InclusiveRoIExtractor(SingleRoIExtractor):
    """``SingleRoIExtractor`` with ``InclusiveRoIAlign``; levels follow sqrt((x2 - x1 + 1)(y2 - y1 + 1))."""

    def build_roi_layers(self, layer_cfg: dict, featmap_strides: Sequence[int]) -> nn.ModuleList:
        layer = dict(layer_cfg, type=InclusiveRoIAlign, aligned=True)
        return super().build_roi_layers(ConfigDict(layer), featmap_strides)

    def map_roi_levels(self, rois: Tensor, num_levels: int) -> Tensor:
        return super().map_roi_levels(_continuous(rois, first=1), num_levels)


def _continuous(boxes: Tensor, first: int = 0) -> Tensor:
    """Boxes whose x2 and y2 are one further; columns before ``first`` are not coordinates."""
    return boxes + boxes.new_tensor([0] * first + [0, 0, 1, 1])
