"""Cut a square around the target, as STARK and GuidedDetector are shown it."""

from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmgtrack.errors import InputError
from mmgtrack.geometry import WindowRule, boxes_in_crop, boxes_to_window, crop_image, jittered_box
from mmgtrack.registry import TRANSFORMS

CENTRE_SHARE = 1 / 8
"""Of the image's width and height: the box that stands in for an absent target (official STARK)."""


@TRANSFORMS.register_module()
class CropTarget(BaseTransform):
    """Cut the window around the image's box, resize it, and tell what of it is padding.

    Sets ``img`` (size, size, 3) uint8, ``mask`` (size, size) bool (True: made of padding), ``img_shape`` and
    ``scale_factor``; ``gt_bboxes`` move along, unclipped. An image without a box, which does not show the
    target, is cut around its centre. Where nothing can be cut out, because the box has no area, the result
    is None and ``ClipDataset`` draws the sample anew.

    Args:
        factor: side of the window in mean sides of the box (STARK: 2 for templates, 5 for search regions).
        size: side of the crop in pixels (STARK: 128 and 320).
        scale_jitter, centre_jitter: of the box that is cut around, see ``jittered_box`` (official STARK: 0.5
            and 4.5 for search regions, none for templates).
        exact: boxes move as the pixels do, see ``boxes_to_window``; otherwise by the official rule, which
            puts the middle of the box cut around half a crop pixel before the middle.

    Raises InputError for an image with several boxes.
    """

    def __init__(
        self,
        factor: float,
        size: int,
        scale_jitter: float = 0.0,
        centre_jitter: float = 0.0,
        exact: bool = False,
    ) -> None:
        self.rule = WindowRule(factor, size)
        self.scale_jitter = scale_jitter
        self.centre_jitter = centre_jitter
        self.exact = exact

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        image, boxes = results['img'], results['gt_bboxes'].tensor.numpy().astype(np.float64)
        if len(boxes) > 1:
            raise InputError(
                f'CropTarget expected one box in {results["img_path"]}, got {len(boxes)}: use a sampler that '
                f'draws single targets, such as mmgtrack.CausalSampler'
            )
        around = boxes[0] if len(boxes) else _centre_box(image.shape[:2])
        if self.scale_jitter or self.centre_jitter:
            around = jittered_box(
                around,
                np.random.standard_normal(2),
                np.random.random(2),
                self.scale_jitter,
                self.centre_jitter,
            )
        if not (around[2:] - around[:2]).prod() > 0:
            return None
        windows = self.rule.windows(torch.from_numpy(around[None]))
        x1, y1, side = windows[0].tolist()
        size = self.rule.size
        results['img'], results['mask'] = crop_image(image, (x1, y1, side), size)
        results['img_shape'] = (size, size)
        results['scale_factor'] = (size / side, size / side)
        moved = results['gt_bboxes']
        if self.exact:
            inside = boxes_to_window(torch.from_numpy(boxes), windows, size).numpy()
        else:
            inside = boxes_in_crop(boxes, around, side, size)
        moved.tensor = moved.tensor.new_tensor(inside)
        return results


def _centre_box(size: tuple[int, int]) -> np.ndarray:
    """(4,) xyxy, whole numbers cut off as in the official code; size: (height, width)."""
    sides = np.array([size[1], size[0]]) * CENTRE_SHARE
    corner = np.trunc((np.array([size[1], size[0]]) - sides) / 2)
    return np.concatenate([corner, corner + np.trunc(sides)])
