"""The resize rule of detectors: fit into (long side, short side), keep the aspect ratio."""

from dataclasses import dataclass

import cv2
import numpy as np
from torch import Tensor
from torch.nn import functional

from mmgtrack.errors import InputError


@dataclass(frozen=True)
class ResizeRule:
    """Scale an image so that its long side is at most ``long`` and its short side at most ``short``.

    The same rule as ``mmcv.imrescale`` and the official GlobalTrack transform: one factor for both axes,
    enlarging allowed, the new size rounded half up.
    """

    long: int
    short: int

    def __post_init__(self) -> None:
        if not self.long >= self.short > 0:
            raise InputError(f'resize rule needs long >= short > 0, got ({self.long}, {self.short})')

    def factor(self, size: tuple[int, int]) -> float:
        """Scale factor for an image of size (height, width)."""
        return min(self.long / max(size), self.short / min(size))

    def new_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Resized (height, width) of an image of size (height, width), at least one pixel each."""
        factor = self.factor(size)
        height, width = (max(1, int(side * factor + 0.5)) for side in size)
        return height, width


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a (H, W, 3) uint8 host image to (height, width) with OpenCV's linear interpolation."""
    if image.shape[:2] == size:
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def resize_tensor(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (N, 3, H, W) float device images to (height, width), half-pixel centres as OpenCV has them.

    OpenCV rounds to whole grey levels, this does not: results differ by up to a level.
    """
    if tuple(images.shape[-2:]) == size:
        return images
    return functional.interpolate(images, size, mode='bilinear', align_corners=False)
