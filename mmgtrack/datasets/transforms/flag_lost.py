"""Boxes that a transform removes, kept in mind."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform, Compose

from mmgtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class FlagLost(BaseTransform):
    """Run transforms, and flag the boxes that they remove.

    mmdet's crops remove the boxes whose centre is outside, however much of them is still to be seen. Such a
    target would count as absent from this image and be searched for in vain; flagged in
    ``gt_ignore_flags``, it is used in no role of the sample, so that the same targets survive in all of them
    (published DMTrack). What is flagged here has no area and stands behind the other boxes.

    Args:
        transforms: configs of the transforms.
    """

    def __init__(self, transforms: Sequence[Mapping[str, Any]]) -> None:
        self.transforms = Compose([TRANSFORMS.build(dict(transform)) for transform in transforms])

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        before = results['gt_bboxes_labels']
        changed = self.transforms(results)
        if changed is None:
            return None
        lost = np.setdiff1d(before, changed['gt_bboxes_labels'])
        boxes = changed['gt_bboxes']
        nothing = boxes.tensor.new_zeros((len(lost), 4))
        changed['gt_bboxes'] = type(boxes)(torch.cat([boxes.tensor, nothing]))
        changed['gt_bboxes_labels'] = np.append(changed['gt_bboxes_labels'], lost)
        changed['gt_ignore_flags'] = np.append(changed['gt_ignore_flags'], np.ones(len(lost), dtype=bool))
        return changed
