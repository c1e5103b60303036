"""Trackers: one folder a paper, shared parts in ``layers``."""

from mmgtrack.models.backbones import VGG, TruncatedMobileNetV2
from mmgtrack.models.base import BaseTracker, GlobalSearchTracker, WindowTracker
from mmgtrack.models.data_preprocessor import ClipDataPreprocessor
from mmgtrack.models.dm_track import DMTrack, DynamicFCOSHead, LearnedTaskWeights, ReIDHead
from mmgtrack.models.global_track import GlobalTrack, QueryRoIHead, QueryRPNHead
from mmgtrack.models.guided_detector import (
    GuidedDetector,
    HeadLoss,
    MetaLearner,
    TargetGuidance,
    WindowSelection,
)
from mmgtrack.models.layers import CorrelationNeck, DynamicCorrelation, MultiKernelCorrelation
from mmgtrack.models.stark import Stark

__all__ = [
    'VGG',
    'BaseTracker',
    'ClipDataPreprocessor',
    'CorrelationNeck',
    'DMTrack',
    'DynamicCorrelation',
    'DynamicFCOSHead',
    'GlobalSearchTracker',
    'GlobalTrack',
    'GuidedDetector',
    'HeadLoss',
    'LearnedTaskWeights',
    'MetaLearner',
    'MultiKernelCorrelation',
    'QueryRPNHead',
    'QueryRoIHead',
    'ReIDHead',
    'Stark',
    'TargetGuidance',
    'TruncatedMobileNetV2',
    'WindowSelection',
    'WindowTracker',
]
