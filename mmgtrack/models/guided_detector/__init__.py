"""GuidedDetector (Huang et al., ICCV 2019): any detector, guided to a target, with a head that learns."""

from mmgtrack.models.guided_detector.head_loss import HeadLoss
from mmgtrack.models.guided_detector.meta_learner import Adapted, MetaLearner

__all__ = ['Adapted', 'HeadLoss', 'MetaLearner']
