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
from mmgtrack.models.point_track import CentreHead, MaxPointLoss, PointHead, PointTrack
from mmgtrack.models.stark import Stark

__all__ = [
    'VGG',
    'BaseTracker',
    'CentreHead',
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
    'MaxPointLoss',
    'MetaLearner',
    'MultiKernelCorrelation',
    'PointHead',
    'PointTrack',
    'QueryRPNHead',
    'QueryRoIHead',
    'ReIDHead',
    'Stark',
    'TargetGuidance',
    'TruncatedMobileNetV2',
    'WindowSelection',
    'WindowTracker',
]
