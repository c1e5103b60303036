"""Changes of colour."""

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmgtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomChannelOrder(BaseTransform):
    """Put the colour channels in random order; one order in six changes nothing.

    mmdet's ``PhotoMetricDistortion`` has this too, as its last step: apart from it, the order can be
    shared by the roles (official GlobalTrack, within ``SharedDraw``).

    Args:
        prob: probability of drawing an order.
    """

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if np.random.random() < self.prob:
            # what the array's own indexing gives, at a tenth of the time
            order = np.random.permutation(3)
            image = np.ascontiguousarray(results['img'])
            results['img'] = np.empty_like(image)
            from_to = np.stack([order, range(3)], axis=1).ravel().tolist()
            cv2.mixChannels([image], [results['img']], from_to)
        return results
