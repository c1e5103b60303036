"""Operators in plain torch, and the stand-in that offers them to mmcv.

`install()` makes `mmcv.ops` (hence mmdet) work where mmcv was installed without compiled operators.
The operators are also for direct use; they run on any device, in float64 or else in float32.
"""

from .deform_conv import deform_conv2d
from .installation import install, report
from .ms_deform_attn import ms_deform_attn
from .nms import batched_greedy_nms, nms, nms_match
from .operator_report import OperatorReport, Service
from .overlaps import bbox_overlaps
from .roi_align import roi_align
from .soft_nms import soft_nms

__all__ = [
    'OperatorReport',
    'Service',
    'batched_greedy_nms',
    'bbox_overlaps',
    'deform_conv2d',
    'install',
    'ms_deform_attn',
    'nms',
    'nms_match',
    'report',
    'roi_align',
    'soft_nms',
]
