"""Boxes and resizes: used by training transforms and by models alike."""

from mmgtrack.geometry.boxes import box_iou, check_boxes, clip_boxes
from mmgtrack.geometry.crops import (
    WindowRule,
    box_in_frame,
    boxes_from_window,
    boxes_to_window,
    clip_with_margin,
    crop_image,
    crop_tensor,
)
from mmgtrack.geometry.resize import ResizeRule, resize_image, resize_tensor
from mmgtrack.geometry.search_jitter import boxes_in_crop, jittered_box, mirrored_boxes

__all__ = [
    'ResizeRule',
    'WindowRule',
    'box_in_frame',
    'box_iou',
    'boxes_from_window',
    'boxes_in_crop',
    'boxes_to_window',
    'check_boxes',
    'clip_boxes',
    'clip_with_margin',
    'crop_image',
    'crop_tensor',
    'jittered_box',
    'mirrored_boxes',
    'resize_image',
    'resize_tensor',
]
