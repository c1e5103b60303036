"""Backbones that mmdet lacks."""

from mmgtrack.models.backbones.mobilenet_v2 import TruncatedMobileNetV2
from mmgtrack.models.backbones.repvgg import RepVGG

__all__ = ['RepVGG', 'TruncatedMobileNetV2']
