"""Backbones that mmdet lacks."""

from mmgtrack.models.backbones.mobilenet_v2 import TruncatedMobileNetV2

__all__ = ['TruncatedMobileNetV2']
