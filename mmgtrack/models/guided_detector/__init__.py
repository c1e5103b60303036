"""GuidedDetector (Huang et al., ICCV 2019): any detector, guided to a target, with a head that learns."""

from mmgtrack.models.guided_detector.selection import WindowSelection
from mmgtrack.models.guided_detector.target_guidance import TargetGuidance

__all__ = ['TargetGuidance', 'WindowSelection']
