"""GuidedDetector (Huang et al., ICCV 2019): any detector, guided to a target, with a head that learns."""

from mmgtrack.models.guided_detector.guided_detector import GuidedDetector, GuidedState
from mmgtrack.models.guided_detector.head_loss import HeadLoss
from mmgtrack.models.guided_detector.meta_learner import Adapted, MetaLearner
from mmgtrack.models.guided_detector.selection import WindowSelection
from mmgtrack.models.guided_detector.target_guidance import TargetGuidance

__all__ = [
    'Adapted',
    'GuidedDetector',
    'GuidedState',
    'HeadLoss',
    'MetaLearner',
    'TargetGuidance',
    'WindowSelection',
]
