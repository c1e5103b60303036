"""Changes of colour."""

from typing import Any

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
            # OpenCV wants the memory of later steps in rows
            results['img'] = np.ascontiguousarray(results['img'][..., np.random.permutation(3)])
        return results
