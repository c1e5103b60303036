"""Mirror images from left to right."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmgtrack.geometry import mirrored_boxes
from mmgtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomMirror(BaseTransform):
    """Mirror ``img``, its boxes and, where there is one, its padding ``mask``.

    mmdet's ``RandomFlip`` knows neither padding masks nor the official rule for boxes. Here the image becomes
    a view and is not copied, so that mirroring a whole frame before a small crop costs nothing.

    Args:
        prob: probability of mirroring.
        whole_pixels: boxes move by the rule (width - 1) - x instead of width - x (official STARK for whole
            frames, not for crops).
    """

    def __init__(self, prob: float = 0.5, whole_pixels: bool = False) -> None:
        self.prob = prob
        self.whole_pixels = whole_pixels

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if np.random.random() >= self.prob:
            return results
        results['img'] = results['img'][:, ::-1]
        if 'mask' in results:
            results['mask'] = results['mask'][:, ::-1]
        boxes = results['gt_bboxes']
        moved = mirrored_boxes(boxes.tensor.numpy(), results['img'].shape[1], self.whole_pixels)
        boxes.tensor = boxes.tensor.new_tensor(moved)
        results['flip'] = not results.get('flip', False)  # twice mirrored is not mirrored
        results['flip_direction'] = 'horizontal'
        return results
