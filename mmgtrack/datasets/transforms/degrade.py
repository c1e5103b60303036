"""Losses of picture quality that videos show: blur, missing colour, compression, occlusion."""

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmgtrack.registry import TRANSFORMS


class _RandomImageChange(BaseTransform):
    """Change ``img`` with probability ``prob``; boxes stay."""

    def __init__(self, prob: float) -> None:
        self.prob = prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if np.random.random() < self.prob:
            results['img'] = self.change(results['img'])
        return results

    def change(self, image: np.ndarray) -> np.ndarray:
        """The changed (H, W, 3) image, same dtype."""
        raise NotImplementedError


@TRANSFORMS.register_module()
class RandomGrey(_RandomImageChange):
    """Take the colour away: grey and thermal cameras exist, and colour must not be the only cue."""

    def change(self, image: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


@TRANSFORMS.register_module()
class RandomBlur(_RandomImageChange):
    """Motion blur along a random direction, of 2 to ``max_length`` pixels, or defocus, half and half.

    Args:
        prob: probability of the change.
        max_length: longest motion streak in pixels; the defocus has up to a quarter of it as sigma.
    """

    def __init__(self, prob: float, max_length: int = 9) -> None:
        super().__init__(prob)
        self.max_length = max_length

    def change(self, image: np.ndarray) -> np.ndarray:
        length = np.random.uniform(2, self.max_length)
        angle = np.random.uniform(0, np.pi)
        if np.random.random() < 0.5:
            return cv2.GaussianBlur(image, (0, 0), length / 4)
        return cv2.filter2D(image, -1, _streak(length, angle), borderType=cv2.BORDER_REPLICATE)


def _streak(length: float, angle: float) -> np.ndarray:
    """Kernel of a straight motion of ``length`` pixels, sum 1."""
    reach = int(np.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float32)
    for step in np.linspace(-length / 2, length / 2, 4 * reach + 1):
        x, y = reach + step * np.cos(angle), reach + step * np.sin(angle)
        kernel[round(y), round(x)] += 1
    return kernel / kernel.sum()


@TRANSFORMS.register_module()
class RandomJPEG(_RandomImageChange):
    """Compress with a random JPEG quality, as cheap cameras and streams do.

    Args:
        prob: probability of the change.
        quality: range of the quality, 1 to 100.
    """

    def __init__(self, prob: float, quality: tuple[int, int] = (15, 70)) -> None:
        super().__init__(prob)
        self.quality = quality

    def change(self, image: np.ndarray) -> np.ndarray:
        quality = np.random.randint(self.quality[0], self.quality[1] + 1)
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        _, code = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), dtype=image.dtype)


@TRANSFORMS.register_module()
class RandomErase(BaseTransform):
    """Hide a part of one target behind a patch taken from elsewhere in the picture.

    The box stays as it is: annotators box the whole object behind a partial occlusion.

    Args:
        prob: probability of the change.
        max_share: largest share of each side of the box that is hidden, so at most its square of the area.
    """

    def __init__(self, prob: float, max_share: float = 0.6) -> None:
        self.prob = prob
        self.max_share = max_share

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        boxes = results['gt_bboxes'].tensor.numpy()
        if len(boxes) and np.random.random() < self.prob:
            x1, y1, x2, y2 = boxes[np.random.randint(len(boxes))]
            share = np.random.uniform(0.2, self.max_share, 2)
            width, height = (x2 - x1) * share[0], (y2 - y1) * share[1]
            left = np.random.uniform(x1, x2 - width)
            top = np.random.uniform(y1, y2 - height)
            results['img'] = _cover(results['img'], left, top, width, height)
        return results


def _cover(image: np.ndarray, left: float, top: float, width: float, height: float) -> np.ndarray:
    """Copy a random patch of the same picture over the given rectangle (pixels)."""
    rows, columns = image.shape[:2]
    x, y = max(0, round(left)), max(0, round(top))
    w, h = min(round(width), columns - x), min(round(height), rows - y)
    if w < 1 or h < 1:
        return image
    from_x = np.random.randint(columns - w + 1)
    from_y = np.random.randint(rows - h + 1)
    covered = image.copy()
    covered[y : y + h, x : x + w] = image[from_y : from_y + h, from_x : from_x + w]
    return covered
