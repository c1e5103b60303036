"""Zoom and shift, so that targets of every size appear everywhere in the picture."""

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmgtrack.datasets.sequence import read_frame
from mmgtrack.errors import InputError
from mmgtrack.geometry import ResizeRule, resize_image
from mmgtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomZoom(BaseTransform):
    """Draw the size of one target uniformly in log scale and its place uniformly; one warp in all.

    The canvas is the size a plain resize by ``scale`` would give, so the transform replaces the resize.
    One random box is the anchor. Its size sqrt(w*h) on the canvas is drawn from ``size_range``, as
    far as ``zoom_range`` lets it; each axis is then stretched by up to ``stretch``. The shift is drawn
    among those that keep the anchor inside and the canvas full of picture, or, zoomed out, the picture
    inside the canvas; the margin is filled with the picture's mean colour or a frame of another clip.
    Boxes end where the picture does; those of which less than ``min_visible`` is left are flagged in
    ``gt_ignore_flags``, those outside are removed. Without boxes the zoom alone is drawn.

    Args:
        scale: (long, short) side limits of the canvas, see ResizeRule.
        size_range: target sizes to reach, in pixels of the canvas.
        zoom_range: limits of the zoom relative to the plain resize; above about 4 pixels turn to mush.
        stretch: each axis is scaled by a factor from [1 / (1 + stretch), 1 + stretch], log-uniform.
        min_visible: least visible share of a box's area.
        prob: probability of zooming; otherwise a plain resize to the canvas.
        mix_prob: probability that a margin shows a frame of another clip (``other_path``), whose objects
            are look-alikes at best, never the target.
    """

    def __init__(
        self,
        scale: tuple[int, int],
        size_range: tuple[float, float] = (8.0, 200.0),
        zoom_range: tuple[float, float] = (0.3, 4.0),
        stretch: float = 0.1,
        min_visible: float = 0.4,
        prob: float = 1.0,
        mix_prob: float = 0.0,
    ) -> None:
        for name, (low, high) in (('size_range', size_range), ('zoom_range', zoom_range)):
            if not 0 < low <= high:
                raise InputError(f'{name} must be 0 < low <= high, got {(low, high)}')
        self.rule = ResizeRule(*scale)
        self.size_range = size_range
        self.zoom_range = zoom_range
        self.stretch = stretch
        self.min_visible = min_visible
        self.prob = prob
        self.mix_prob = mix_prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        image = results['img']
        size = self.rule.new_size(image.shape[:2])
        boxes = results['gt_bboxes'].tensor.numpy().astype(np.float64)
        factor = np.array([size[1] / image.shape[1], size[0] / image.shape[0]])
        shift = np.zeros(2)
        if np.random.random() < self.prob:
            anchor = self._anchor(boxes, results)
            factor = factor * self._zoom(anchor, factor, results)
            shift = _random_shift(anchor, image.shape[:2], size, factor)
        results['img'] = _warp(image, factor, shift, self._canvas(results, size))
        results['img_shape'] = size
        edges = np.array([shift, shift + factor * image.shape[1::-1]])
        shown = np.clip(edges, 0, size[::-1]).flatten()
        _move_boxes(results, boxes * np.tile(factor, 2) + np.tile(shift, 2), shown, self.min_visible)
        return results

    def _canvas(self, results: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
        """What shows where the picture does not reach."""
        other = results.get('other_path')
        if other is not None and np.random.random() < self.mix_prob:
            return covering_crop(read_frame(other, whole=True), size)
        mean = np.array(cv2.mean(results['img']))[:3]
        return np.broadcast_to(mean.round().astype(np.uint8), (*size, 3)).copy()

    def _anchor(self, boxes: np.ndarray, results: dict[str, Any]) -> np.ndarray | None:
        """The box (4,) whose size and place are drawn; None where there is none."""
        return boxes[np.random.randint(len(boxes))] if len(boxes) else None

    def _zoom(self, anchor: np.ndarray | None, factor: np.ndarray, results: dict[str, Any]) -> np.ndarray:
        """(2,) zoom in x and y relative to the plain resize."""
        low, high = self.zoom_range
        if anchor is not None:
            size = np.sqrt(np.prod((anchor[2:] - anchor[:2]) * factor))
            low, high = (np.clip(limit / size, low, high) for limit in self.size_range)
        zoom = np.exp(np.random.uniform(np.log(low), np.log(high)))
        limit = np.log1p(self.stretch)
        return zoom * np.exp(np.random.uniform(-limit, limit, 2))


def _random_shift(
    anchor: np.ndarray | None, source: tuple[int, int], canvas: tuple[int, int], factor: np.ndarray
) -> np.ndarray:
    """(2,) shift in x and y, in canvas pixels; sizes are (height, width)."""
    shift = np.empty(2)
    for axis in range(2):
        slack = canvas[1 - axis] - source[1 - axis] * factor[axis]
        low, high = min(0.0, slack), max(0.0, slack)
        if anchor is not None:
            edges = -anchor[axis] * factor[axis], canvas[1 - axis] - anchor[axis + 2] * factor[axis]
            # an anchor wider than the canvas cannot be inside: then it covers the canvas
            low, high = np.clip(sorted(edges), low, high)
        shift[axis] = np.random.uniform(low, high)
    return shift


def covering_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to cover (height, width) and cut a random part of that size."""
    factor = max(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(size[k], round(image.shape[k] * factor)) for k in range(2))
    image = resize_image(image, (height, width))
    top = np.random.randint(height - size[0] + 1)
    left = np.random.randint(width - size[1] + 1)
    return image[top : top + size[0], left : left + size[1]].copy()


def _warp(image: np.ndarray, factor: np.ndarray, shift: np.ndarray, canvas: np.ndarray) -> np.ndarray:
    """Draw the picture on the canvas: scaled by ``factor`` about its corner, then shifted."""
    ends = shift + factor * image.shape[1::-1]
    # the pixels of the canvas whose centre lies in the picture
    left, top = np.clip(np.ceil(shift - 0.5), 0, canvas.shape[1::-1]).astype(int)
    right, bottom = np.clip(np.ceil(ends - 0.5), 0, canvas.shape[1::-1]).astype(int)
    if right <= left or bottom <= top:
        return canvas
    if factor.min() < 0.7:
        # linear interpolation reads 2x2 pixels only: shrink by area first, against aliasing
        width, height = (max(1, round(image.shape[1 - k] * factor[k])) for k in range(2))
        factor = factor * [image.shape[1] / width, image.shape[0] / height]
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    # OpenCV's coordinates are pixel centres: x' + 0.5 = (x + 0.5) * factor + shift
    offset = 0.5 * factor + shift - 0.5 - [left, top]
    matrix = np.array([[factor[0], 0, offset[0]], [0, factor[1], offset[1]]])
    size = (int(right - left), int(bottom - top))
    # not onto the canvas with BORDER_TRANSPARENT: that is off by half a pixel of the picture at its edges
    canvas[top:bottom, left:right] = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return canvas


def _move_boxes(results: dict[str, Any], boxes: np.ndarray, shown: np.ndarray, min_visible: float) -> None:
    """Put the moved (n, 4) boxes, clipped, into ``results``; drop and flag by visibility.

    shown: (4,) xyxy, the part of the canvas that shows the picture; beyond it there is nothing of a target.
    """
    clipped = np.clip(boxes, np.tile(shown[:2], 2), np.tile(shown[2:], 2))
    visible = np.prod(clipped[:, 2:] - clipped[:, :2], axis=1)
    share = visible / np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-9)
    kept = visible > 0
    moved = results['gt_bboxes'][kept]
    moved.tensor = moved.tensor.new_tensor(clipped[kept])
    results['gt_bboxes'] = moved
    results['gt_bboxes_labels'] = results['gt_bboxes_labels'][kept]
    results['gt_ignore_flags'] = (results['gt_ignore_flags'] | (share < min_visible))[kept]
