"""Boxes and resizes: used by training transforms and by models alike."""

from mmgtrack.geometry.boxes import box_iou, check_boxes, clip_boxes
from mmgtrack.geometry.resize import ResizeRule, resize_image, resize_tensor

__all__ = [
    'ResizeRule',
    'box_iou',
    'check_boxes',
    'clip_boxes',
    'resize_image',
    'resize_tensor',
]
