"""Change the brightness of an image."""

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmgtrack.errors import InputError
from mmgtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomBrightness(BaseTransform):
    """Multiply ``img`` (uint8) by one factor drawn uniformly; what exceeds white is white. Black stays black.

    The official STARK code goes on with the product as floats. Here it is rounded to whole grey levels, half
    a level at most, which is 0.009 after normalising: a quarter of the bytes travel between processes and to
    the device.

    Args:
        low, high: limits of the factor (official STARK: 0.8 and 1.2).
    """

    def __init__(self, low: float = 0.8, high: float = 1.2) -> None:
        if not 0 <= low <= high:
            raise InputError(f'need 0 <= low <= high, got {low} and {high}')
        self.low = low
        self.high = high

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        results['img'] = cv2.convertScaleAbs(results['img'], alpha=np.random.uniform(self.low, self.high))
        return results
