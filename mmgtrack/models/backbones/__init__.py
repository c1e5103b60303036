"""Backbones that mmdet lacks."""

from mmgtrack.models.backbones.dla import DLA
from mmgtrack.models.backbones.dla_up import DLAUpNet
from mmgtrack.models.backbones.mobilenet_v2 import TruncatedMobileNetV2
from mmgtrack.models.backbones.repvgg import RepVGG
from mmgtrack.models.backbones.vgg import VGG

__all__ = ['DLA', 'VGG', 'DLAUpNet', 'RepVGG', 'TruncatedMobileNetV2']
